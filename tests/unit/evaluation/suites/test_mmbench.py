from dataclasses import replace

import pytest

from anygen.evaluation.suites import mmbench
from anygen.evaluation.suites.base import Source, Unit
from anygen.evaluation.suites.mmbench import Choice, find_option
from support.suites import (
    BEAR,
    bench_row,
    choose_rabbit,
    judged,
    passes,
    results_of,
    values,
    write_mmbench,
)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("(B)", "B"),
        ("B.", "B"),
        ("The answer is B", "B"),
        ("A cat", "A"),
        ("a rabbit", "B"),
        ("rabbits and more", "B"),
        ("It is a dog, not a cat", ""),
        ("b", ""),
        ("A or B", ""),
        ("The correct answer is **C**. Here is why: A is wrong and B too", "C"),
        ("Sorry, I do not see that", "Z"),
        ("Z", "Z"),
        ("The rabbit, " + "which is a small animal with long ears " * 2, ""),
        ("", ""),
    ],
)
def test_the_option_is_found_step_by_step(text, letter):
    assert find_option(text, BEAR) == letter


@pytest.fixture(params=[True, False], ids=["passes in the file", "passes made"])
def data(request, tmp_path):
    """Two questions of four options and one of two."""
    pair = ("rabbit", "dog")
    questions = [(0, BEAR, "naming"), (1, BEAR, "naming"), (2, pair, "spotting")]
    rows = []
    for index, options, category in questions:
        rotations = passes(index, options, category=category)
        rows += rotations if request.param else rotations[:1]
    folder = tmp_path / "data"
    folder.mkdir()
    return write_mmbench(folder, rows)


def test_a_model_that_knows_is_right_in_every_order(data, tmp_path):
    results = results_of("mmbench", data, choose_rabbit, tmp_path / "out")
    assert values(results) == dict.fromkeys(
        ("overall", "vanilla", "all passes", "naming", "perception", "spotting"), 100
    )
    rows = results["rows"]
    assert [rows[name]["n"] for name in ("overall", "all passes", "spotting")] == [3, 10, 1]
    assert rows["vanilla"]["chance"] == round(100 * (1 / 4 + 1 / 4 + 1 / 2) / 3, 1)
    assert rows["overall"]["chance"] == round(100 * (2 / 4**4 + 1 / 2**2) / 3, 1)


def test_a_model_that_always_says_b_is_never_right(data, tmp_path):
    results = results_of("mmbench", data, lambda _: "B", tmp_path / "out")
    assert values(results)["overall"] == 0
    assert values(results)["all passes"] == 30


def test_in_vanilla_mode_each_question_is_asked_once(data, tmp_path):
    results = results_of("mmbench", data, choose_rabbit, tmp_path / "out", mode="vanilla")
    assert results["rows"]["overall"]["n"] == 3
    assert "vanilla" not in results["rows"]


def test_a_limit_takes_whole_groups(data, tmp_path):
    results = results_of("mmbench", data, choose_rabbit, tmp_path / "out", limit=1)
    assert (results["rows"]["overall"]["n"], results["rows"]["all passes"]["n"]) == (2, 6)


def test_one_wrong_pass_makes_the_question_wrong():
    choice = Choice("Which?", "", BEAR, "B", "")
    unit = Unit("1", "naming", ("overall",), [choice.rotated(by) for by in range(4)])
    golds = [one.gold for one in unit.content]
    assert golds == ["B", "A", "D", "C"]
    outcome = judged(mmbench, unit, "B", "A", "C", "C")
    assert outcome.scores == {
        "overall": {"model": (0, 1)},
        "vanilla": {"model": (1, 1)},
        "all passes": {"model": (3, 4)},
    }


def test_the_prompt_has_the_published_form():
    choice = Choice("Which animal?", "It hops.", ("cat", "rabbit"), "B", "")
    assert choice.prompt == (
        "Hint: It hops.\nQuestion: Which animal?\nOptions:\nA. cat\nB. rabbit\n"
        "Please select the correct answer from the options above. \n"
    )


def test_each_pass_shows_the_picture(data):
    units = mmbench.read(Source(data, mode="circular"))
    assert [len(mmbench.ask(unit, 0)) for unit in units] == [4, 4, 2]
    picture, _ = mmbench.ask(units[-1], 0)[0].messages[0].parts
    assert picture.pixels.shape == (3, 64, 64)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([bench_row(1, answer="E")], "question 1: the answer 'E' is none of its 4 options"),
        ([bench_row(1, answer="")], "question 1: the answer '' is none of its 4 options"),
        (passes(1)[:3], "question 1: has 3 passes of 4"),
        ([bench_row(1), bench_row(1)], "has the index 1 twice"),
        ([bench_row("x")], "the index 'x' is no number"),
        ([bench_row(1), bench_row(2, image="9")], "there is no row '9', which should hold its"),
    ],
)
def test_a_file_that_is_not_valid_is_refused(tmp_path, rows, complaint):
    with pytest.raises(ValueError, match=complaint):
        mmbench.read(Source(write_mmbench(tmp_path, rows), mode="circular"))


def test_the_test_split_has_no_answers(tmp_path):
    (tmp_path / "test.tsv").write_text("index\tquestion\tA\tB\timage\n")
    with pytest.raises(ValueError, match="lacks the columns answer; the test split has no answers"):
        mmbench.read(Source(tmp_path))


def test_a_picture_that_is_not_valid_is_named(tmp_path):
    [unit] = mmbench.read(Source(write_mmbench(tmp_path, [bench_row(5)]), mode="vanilla"))
    broken = Unit(unit.id, unit.task, unit.rows, [replace(unit.content[0], image="abc")])
    with pytest.raises(ValueError, match="the picture of question 5 is not in base64"):
        mmbench.ask(broken, 0)

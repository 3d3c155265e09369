import pytest

from anygen.evaluation.results import read_lines
from anygen.evaluation.runner import Plan, run
from anygen.evaluation.suites import mme
from anygen.evaluation.suites.base import Source, Unit
from support.suites import judged, knows_mme, results_of, values, write_mme


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Yes", "yes"),
        ("no", "no"),
        ("Yes, it is.", "yes"),
        ("not sure", "no"),
        ("Knows", "no"),
        ("   yes", "other"),
        ("It is", "other"),
        ("", "other"),
    ],
)
def test_the_first_four_characters_decide(text, answer):
    assert mme.yes_or_no(text) == answer


def test_one_wrong_answer_of_four_leaves_125_of_200():
    assert mme.points([[1, 1], [1, 0]]) == 75 + 50


def test_both_layouts_are_read_and_the_groups_add_their_tasks_up(tmp_path):
    results = results_of("mme", write_mme(tmp_path / "data"), knows_mme, tmp_path / "out")
    assert values(results) == {
        "existence": 200,
        "posters": 200,
        "perception": 400,
        "code_reasoning": 200,
        "cognition": 200,
    }
    row = results["rows"]["perception"]
    assert (row["n"], row["units"], row["scale"], row["chance"]) == (4, 4, "of 400", 150)
    assert results["unit"] == "picture"


@pytest.mark.parametrize(("text", "points", "unparsed"), [("yes", 50, 0), ("I see it", 0, 12)])
def test_a_model_that_says_one_thing_has_half_the_questions_and_no_picture(
    tmp_path, text, points, unparsed
):
    results = results_of("mme", write_mme(tmp_path / "data"), lambda _: text, tmp_path / "out")
    assert values(results)["existence"] == points
    assert sum(results["rows"][group]["unparsed"] for group in mme.SUMS) == unparsed


def test_the_question_is_the_line_as_it_is(tmp_path):
    [first, *_] = mme.read(Source(write_mme(tmp_path)))
    [case, _] = mme.ask(first, 0)
    assert case.messages[0].parts[1] == "Is it true 1?  Please answer yes or no."
    assert case.options.temperature == 0


def test_a_question_without_an_answer_is_wrong():
    unit = Unit("count/1", "count", ("count", "perception"), (None, [("?", "yes"), ("?", "no")]))
    outcome = judged(mme, unit, None, "no")
    assert outcome.numbers["count"] == [0, 1]
    assert outcome.unparsed == 0


def write_answers(folder, answers):
    """Two pictures of `count`; gold is Yes, No, Yes, No."""
    folder.mkdir(exist_ok=True)
    lines = [
        f"{1 + n // 2}.jpg\tWhat?\t{('Yes', 'No')[n % 2]}\t{answer}"
        for n, answer in enumerate(answers)
    ]
    (folder / "count.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_answers_of_others_are_scored_from_their_files(tmp_path, capsys):
    data = write_answers(tmp_path / "data", ["yes", "no", "Yes.", "Yes"])
    plan = Plan("mme", data, mode="answers")
    results = run("no such model", plan, tmp_path / "out")
    assert results["rows"]["count"]["value"] == 75 + 50
    assert read_lines(tmp_path / "out")[1]["answers"] == ["Yes.", "Yes"]
    assert "perception" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        (["yes", "no", "yes"], "has 1 lines about 2.jpg; it needs two"),
        (["yes", "n\to"], "count.txt:2: has 5 columns; it needs four"),
        ([], "count.txt:1: has 1 columns"),
    ],
)
def test_answers_in_another_form_are_refused(tmp_path, answers, complaint):
    data = write_answers(tmp_path / "data", answers)
    with pytest.raises(ValueError, match=complaint):
        mme.read(Source(data, "answers"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("One?\tYes\n", "has 1 lines; it needs two"),
        ("One?\tYes\nTwo?\tNo\nThree?\tNo\n", "has 3 lines; it needs two"),
        ("One? Yes\nTwo?\tNo\n", "each a question, a tab, and Yes or No"),
        ("One?\tYes\nTwo?\tMaybe\n", "the answer 'maybe' is neither Yes nor No"),
    ],
)
def test_an_odd_pair_is_named(tmp_path, text, complaint):
    data = write_mme(tmp_path, ["count"])
    path = next(data.rglob("0001.txt"))
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"0001.txt: .*{complaint}"):
        mme.read(Source(data))


def test_what_is_missing_is_named(tmp_path):
    data = write_mme(tmp_path / "data", ["count"])
    next(data.rglob("0002.png")).unlink()
    with pytest.raises(ValueError, match=r"0002.txt: has no picture .*0002.jpg"):
        mme.read(Source(data))
    with pytest.raises(ValueError, match="has no task of MME; it needs a folder for each task"):
        mme.read(Source(tmp_path))

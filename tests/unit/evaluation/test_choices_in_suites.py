"""Suites that compare given answers: in which order they ask, and what is recorded."""

import pytest

from anygen import AnyGen
from anygen.evaluation import runner
from anygen.evaluation.asking import BESIDE, all_or_each, ask_units
from anygen.evaluation.results import read_lines
from anygen.evaluation.runner import Plan
from anygen.evaluation.suites.base import Source
from anygen.evaluation.suites.registry import find_suite
from support.answers import observed
from support.reform import Scoring
from support.suites import (
    BEAR,
    Ruled,
    passes,
    results_of,
    text_of,
    values,
    write_mmbench,
    write_mme,
    write_pope,
)


def yes(text):
    return text == "Yes"


@pytest.fixture
def make_data(tmp_path):
    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        if name == "mmbench":
            return write_mmbench(folder, passes(1))
        return {"mme": write_mme, "pope": write_pope}[name](folder)

    return make


@pytest.mark.parametrize(
    ("name", "prefers", "row", "value"),
    [
        ("mme", yes, "existence", 50),
        ("pope", yes, "accuracy", 50),
        ("mmbench", lambda text: text == "B", "all passes", 25),
    ],
)
def test_the_likelier_answer_counts(make_data, tmp_path, name, prefers, row, value):
    model = Scoring(lambda _: "nothing is written", prefers)
    results = results_of(name, make_data(name), model, tmp_path / "out", mode="likelihood")
    assert values(results)[row] == value
    assert not model.requests
    line = read_lines(tmp_path / "out")[0]
    assert len(line["likelihoods"]) == len(line["answers"])
    assert line["unparsed"] == 0


def test_a_choice_that_the_model_refuses_is_wrong_and_the_others_are_compared(make_data, tmp_path):
    class Stumbling(Scoring):
        def score_many(self, rows):
            if any("false 2" in messages[0].parts[-1] for messages, _ in rows):
                raise ValueError("the prompt is too long")
            return super().score_many(rows)

    model = Stumbling(str, yes)
    results = results_of("mme", make_data("mme"), model, tmp_path / "out", mode="likelihood")
    assert results["rows"]["existence"]["failed"] == 1
    line = read_lines(tmp_path / "out")[1]
    assert line["answers"] == ["Yes", None]
    assert line["likelihoods"][1] == []


def test_recorded_likelihoods_are_kept_when_answers_are_judged_again(make_data, tmp_path):
    data, out = make_data("pope"), tmp_path / "out"
    results_of("pope", data, Scoring(str, yes), out, mode="likelihood")
    before = read_lines(out)
    runner.claim(out.parent / "again", {})
    identity = {"suite": "pope", "mode": "likelihood", "weights": "0", "seed": 0}
    runner.write_json(identity, out / "identity.json")
    runner.run("gone", Plan("pope", data, mode="likelihood"), out, score_only=True)
    assert [line["likelihoods"] for line in read_lines(out)] == [
        line["likelihoods"] for line in before
    ]


def test_an_endpoint_gives_no_likelihoods(make_data, tmp_path):
    plan = Plan("pope", make_data("pope"), mode="likelihood")
    with pytest.raises(ValueError, match="the mode likelihood needs a model's folder, not an endp"):
        runner.run("http://127.0.0.1:9/v1#m", plan, tmp_path / "out")


@pytest.mark.parametrize("mode", ["questions", "likelihood"])
def test_questions_about_one_picture_read_it_once(make_model, make_data, mode):
    """Two pictures with two questions each: the second questions go on behind the pictures."""
    model, suite = AnyGen(make_model().eval()), find_suite("mme")
    units = suite.read(Source(make_data("mme"), mode))[:2]
    with observed(model) as work:
        ask_units(model, suite, units, seed=0)
    questions = [len(keys) for keys in work.pieces if len(keys) > 4]
    assert len(work.encoded) == 1  # both pictures are the same
    assert max(questions[2:4]) < min(questions[:2])
    assert len(work.passes[0]) == 2  # both units in one pass


def test_the_questions_of_a_few_units_are_asked_side_by_side(tmp_path):
    """The rotations of a question follow while the KV cache has its picture."""
    numbers = range(1, BESIDE + 2)
    data = write_mmbench(tmp_path, [row for number in numbers for row in passes(number)])
    suite, model = find_suite("mmbench"), Ruled(lambda _: "A")
    ask_units(model, suite, suite.read(Source(data, "circular")), seed=0)
    first = [text_of(request).splitlines()[2].removeprefix("A. ") for request in model.requests]
    assert first == [name for name in BEAR for _ in range(BESIDE)] + list(BEAR)


def test_of_many_questions_only_those_that_are_refused_fail():
    def ask(numbers):
        if refused := {3, 4, 9} & set(numbers):
            raise ValueError(f"no {min(refused)}")
        return [str(number) for number in numbers]

    answers = all_or_each(ask, range(11), str)
    assert answers == ["0", "1", "2", "no 3", "no 4", *"5678", "no 9", "10"]

"""What all suites have in common: files of one's own, resuming, limits, failures, controls."""

import json
from dataclasses import replace

import pytest

from anygen.evaluation import runner
from anygen.evaluation.comparison import compare
from anygen.evaluation.results import OUTCOMES, RESULTS, read_lines, table
from anygen.evaluation.runner import Plan
from anygen.evaluation.suites.registry import MODULES, choose, describe, find_suite
from support.suites import Ruled, knows_mme, results_of, values, write_mme, write_pope

OWN = '''"""Sums: what is one and one?"""
from anygen.core.media import Message
from anygen.evaluation.suites.base import Case, Metric, Outcome, Unit

UNIT = "sum"

def read(source):
    return [Unit(f"sum/{n}", "sums", ("sums",), n) for n in range(3)]

def ask(unit, seed):
    return [Case([Message("user", (f"{unit.content} + 1 =",))])]

def judge(bench, answered):
    return [score(one.unit, one.texts[0]) for one in answered]

def score(unit, text):
    right = text is not None and text.strip() == str(unit.content + 1)
    return Outcome({"sums": {"model": (int(right), 1)}}, text or "")

def figures(lines):
    return {"sums": Metric("sums that are right")}
'''


class Stumbling(Ruled):
    """Refuses questions that hold a word."""

    def __init__(self, rule, word):
        super().__init__(rule)
        self.word = word

    def reply_many(self, requests):
        if any(self.word in str(request.messages[-1].parts) for request in requests):
            raise ValueError("the prompt is too long")
        return super().reply_many(requests)


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "sums.py"
    path.write_text(OWN)
    return path


def adds(text: str) -> str:
    return str(int(text.split()[0]) + 1)


def test_a_file_is_a_suite(own, tmp_path):
    results = results_of(own, None, adds, tmp_path / "out")
    assert values(results) == {"sums": 100}
    assert results["rows"]["sums"]["units"] == 3
    assert find_suite(str(own)).about == "Sums: what is one and one?"


def test_a_suite_that_lacks_a_part_is_refused(tmp_path):
    for text, complaint in [
        ("UNIT = 'x'", "lacks read, ask, judge, figures"),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
    ]:
        path = tmp_path / f"suite{len(text)}.py"
        path.write_text(text)
        with pytest.raises(ValueError, match=complaint):
            find_suite(str(path))
    with pytest.raises(ValueError, match=r"there is no suite .*gone.py"):
        find_suite(str(tmp_path / "gone.py"))
    with pytest.raises(ValueError, match=r"the suite no\.such cannot be imported"):
        find_suite("no.such")


def test_a_run_that_was_killed_asks_only_what_is_missing(tmp_path):
    data, out = write_mme(tmp_path / "data"), tmp_path / "out"
    results_of("mme", data, knows_mme, out)
    whole = (out / OUTCOMES).read_text().splitlines()
    (out / OUTCOMES).write_text("\n".join([*whole[:4], whole[4][:30]]))
    model = Ruled(knows_mme)
    results = results_of("mme", data, model, out)
    assert len(model.requests) == 2 * 2
    assert values(results)["perception"] == 400


def test_the_order_of_the_lines_in_a_file_changes_nothing(tmp_path):
    first, second = write_pope(tmp_path / "first"), write_pope(tmp_path / "second")
    for path in second.glob("*.json"):
        path.write_text("\n".join(reversed(path.read_text().splitlines())))
    for folder in (first, second):
        results_of("pope", folder, lambda t: t, tmp_path / f"out {folder.name}", limit=2)
    lines = [read_lines(tmp_path / f"out {folder.name}") for folder in (first, second)]
    assert [line["id"] for line in lines[0]] == [line["id"] for line in lines[1]]
    assert [line["answers"] for line in lines[0]] == [line["answers"] for line in lines[1]]


def test_a_question_that_fails_is_wrong_and_listed(own, tmp_path):
    results = results_of(own, None, Stumbling(adds, "1 + 1"), tmp_path / "out")
    row = results["rows"]["sums"]
    assert (row["right"], row["n"], row["failed"]) == (2, 3, 1)
    [line] = [line for line in read_lines(tmp_path / "out") if line["failed"]]
    assert (line["id"], line["answers"], line["failed"]) == (
        "sum/1",
        [None],
        ["the prompt is too long"],
    )
    assert list(runner.warnings(results, read_lines(tmp_path / "out"))) == [
        "1 questions have no answer, the first one because: the prompt is too long"
    ]


def test_recorded_answers_are_scored_again_without_a_model(own, tmp_path, capsys):
    out = tmp_path / "out"
    results_of(own, None, Stumbling(lambda text: f"{adds(text)}!", "1 + 1"), out)
    assert read_lines(out)[0]["scores"]["sums"]["model"] == [0, 1]
    own.write_text(OWN.replace("text.strip()", "text.strip('!')"))
    find_suite.cache_clear()
    results = runner.run("gone", Plan(str(own)), out, score_only=True)
    assert (results["rows"]["sums"]["right"], results["rows"]["sums"]["failed"]) == (2, 1)
    assert json.loads((out / RESULTS).read_text())["weights"] == "0"
    assert [line["prompt"] for line in read_lines(out)] == [f"{n} + 1 =" for n in range(3)]
    assert "sums" in capsys.readouterr().out
    plan = Plan("mme", write_mme(tmp_path / "data"))
    with pytest.raises(ValueError, match=r"holds answers of the suite .*sums.py', not 'mme'"):
        runner.run("gone", plan, out, score_only=True)


def test_questions_without_their_media_are_the_control(tmp_path):
    """A model that looks answers yes, and one that does not see a picture no."""

    class Looking(Ruled):
        def reply_many(self, requests):
            return [
                replace(answer, message=replace(answer.message, parts=(self.look(request),)))
                for request, answer in zip(requests, super().reply_many(requests))
            ]

        def look(self, request):
            parts = request.messages[-1].parts
            return knows_mme(parts[-1]) if len(parts) == 2 else "yes"

    data = write_mme(tmp_path / "data")
    results = results_of("mme", data, Looking(str), tmp_path / "out", blind=True)
    row = results["rows"]["perception"]
    assert (row["value"], row["control"]["value"]) == (400, 100)
    pope = results_of("pope", write_pope(tmp_path / "p"), Looking(str), tmp_path / "o", blind=True)
    assert pope["rows"]["accuracy"]["control"]["value"] == 50


def test_two_models_are_compared_by_the_ids_of_their_units(tmp_path):
    data = write_mme(tmp_path / "data")
    results_of("mme", data, knows_mme, tmp_path / "a")
    results_of("mme", data, lambda _: "yes", tmp_path / "b")
    _, *lines, _ = compare(tmp_path / "a", tmp_path / "b", tmp_path / "compare.html")
    cells = {line.split()[0]: line.split()[1:] for line in lines}
    assert cells["existence"][:3] == ["200.0", "50.0", "-150"]


def test_a_table_shows_figures_that_are_no_shares(tmp_path):
    results = results_of("pope", write_pope(tmp_path / "data"), lambda _: "yes", tmp_path / "out")
    lines = [line.split() for line in table(results, "pope")]
    assert lines[0] == ["task", "accuracy", "precision", "recall", "f1", "yes"]
    assert lines[-1] == ["total", "6/12", "50.0", "100.0", "66.67", "100.0"]


def test_two_units_with_one_id_are_refused(own):
    own.write_text(OWN.replace("sum/{n}", "sum"))
    find_suite.cache_clear()
    with pytest.raises(ValueError, match="the data have two entries with the id 'sum'"):
        results_of(own, None, adds, own.parent / "out")


@pytest.mark.parametrize(
    ("name", "mode", "split", "complaint"),
    [
        ("mmbench", "upside", "", "has no mode 'upside'; it has circular, vanilla, likelihood"),
        ("pope", "", "rare", "has no split 'rare'; it has random, popular, adversarial"),
        ("people", "short", "", "the suite people has no mode 'short'; it has no modes"),
    ],
)
def test_a_mode_or_split_that_a_suite_does_not_have_is_named(name, mode, split, complaint):
    with pytest.raises(ValueError, match=complaint):
        choose(find_suite(name), None, mode, split)


def test_what_cannot_be_measured_so_is_said_in_a_sentence(tmp_path, own):
    for plan, score_only, complaint in [
        (Plan(), True, "--score-only is for suites of text answers; world judges media"),
        (Plan(blind=True), False, "--blind is for suites of text answers"),
        (Plan(str(own)), True, "holds no answers; leave --score-only out"),
    ]:
        with pytest.raises(ValueError, match=complaint):
            runner.run("mini", plan, tmp_path / "out", score_only=score_only)
    with pytest.raises(ValueError, match="needs a model's folder, not an endpoint"):
        runner.run("http://127.0.0.1:9/v1#m", Plan(), tmp_path / "out")


def test_the_list_names_every_suite_with_its_modes():
    lines = list(describe())
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == list(MODULES)
    assert any(line.strip() == "--mode circular, vanilla, likelihood" for line in lines)

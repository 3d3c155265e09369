"""The suite `people` from its file to its table and its page."""

import json
from collections.abc import Sequence

import pytest

from anygen.evaluation import report, runner
from anygen.evaluation.comparison import compare
from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.results import RESULTS, read_lines, summarize, table
from anygen.evaluation.runner import Plan, claim, measure
from anygen.evaluation.suites.base import Bench, Source
from anygen.evaluation.suites.registry import find_suite
from anygen.evaluation.units import chosen_units
from anygen.generation.answer import Answer
from anygen.generation.request import Request, derive_seed
from support.html_page import Page
from support.people_rows import ROWS, answer, right_answers, write_people


class Prepared:
    """A model whose answers are prepared, by the ids of the rows; the others are empty."""

    def __init__(self, answers: dict[str, tuple]) -> None:
        self.answers = {derive_seed(1, row_id): parts for row_id, parts in answers.items()}
        self.asked: list[Request] = []

    def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
        self.asked += requests
        return [answer(*self.answers.get(request.seed, ())) for request in requests]


@pytest.fixture(scope="module")
def judges() -> Judges:
    return Judges()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_people(tmp_path_factory.mktemp("people"))


def ask(model, judges, folder, out, rows=(), limit=None):
    people = find_suite("people")
    units = chosen_units(people.read(Source(folder)), rows, limit)
    measure(Bench(model, judges), people, units, out, seed=1)


def measured(judges, answers, folder, out):
    model = Prepared(answers)
    claim(out, {"suite": "people", "seed": 1})
    ask(model, judges, folder, out)
    return model, summarize(read_lines(out), "people")


def test_a_perfect_model_has_everything_right_and_an_empty_one_nothing(judges, folder, tmp_path):
    _, results = measured(judges, right_answers(), folder, tmp_path / "perfect")
    assert {name: row["value"] for name, row in results["rows"].items()} == dict.fromkeys(
        ("media", "text", "judged", "coherent", "clean", "all", "same"), 100.0
    )
    assert results["rows"]["all"]["n"] == len(ROWS)
    _, results = measured(judges, {}, folder, tmp_path / "empty")
    values = {name: row["value"] for name, row in results["rows"].items()}
    nothing = {"text": 0, "judged": 0, "all": 0, "same": 0}
    assert values == {"media": 25, "clean": 100, **nothing}


def test_the_table_has_a_line_for_each_kind_and_their_total(judges, folder, tmp_path):
    answers = {name: parts for name, parts in right_answers().items() if name not in ("i1", "v1")}
    _, results = measured(judges, answers, folder, tmp_path)
    cells = {line.split()[0]: line.split()[1:] for line in table(results, "people")}
    assert cells["task"] == ["media", "text", "judged", "coherent", "clean", "all", "same"]
    assert cells["image"] == ["4/5", "4/5", "4/5", "-", "5/5", "4/5", "-"]
    assert cells["video"] == ["0/1", "0/1", "0/1", "-", "1/1", "0/1", "-"]
    assert cells["plain"] == ["1/1", "1/1", "-", "-", "1/1", "1/1", "1/1"]
    assert cells["total"] == ["10/12", "10/12", "7/9", "-", "12/12", "10/12", "1/1"]
    kinds = dict.fromkeys(unit.task for unit in find_suite("people").read(Source(folder)))
    assert list(cells)[1:] == [*kinds, "total"]


def test_a_run_that_was_stopped_goes_on(judges, folder, tmp_path):
    model = Prepared(right_answers())
    ask(model, judges, folder, tmp_path, ["image"], 2)
    again, results = measured(judges, right_answers(), folder, tmp_path)
    assert len(model.asked) == 2
    assert len(again.asked) == len(ROWS) - 2
    assert results["rows"]["all"]["value"] == 100


def test_a_page_shows_every_answer_beside_what_was_expected(judges, folder, tmp_path):
    answers = right_answers() | {"i1": ("<b>no</b>",)}
    _, results = measured(judges, answers, folder, tmp_path)
    results |= {"model": "m", "weights": "0", "seed": 1, "version": "0", "date": runner.today()}
    results |= {"machine": runner.machine()}
    page = Page(report.write(tmp_path, results, read_lines(tmp_path)))
    assert page.count("article") == len(ROWS)
    assert "<b>no</b>" in page.text
    assert "wrong: media, judged, all" in page.text
    assert page.count("video") == 1
    assert page.count("audio") == 2


def test_two_models_are_compared_column_by_column(judges, folder, tmp_path):
    measured(judges, right_answers(), folder, tmp_path / "a")
    measured(judges, {}, folder, tmp_path / "b")
    _, *lines, _ = compare(tmp_path / "a", tmp_path / "b", tmp_path / "compare.html")
    cells = {line.split()[0]: line.split()[1:] for line in lines}
    assert cells["all"][:3] == ["100.0", "0.0", "-100"]
    assert "coherent" not in cells  # the second one made no video


def test_the_command_asks_a_model_and_goes_on_where_it_stopped(saved_model, folder, tmp_path):
    """This model answers everything with pictures."""
    for _ in range(2):
        plan = Plan("people", folder, limit=1, seed=1, rows=["image", "plain"])
        results = runner.run(str(saved_model), plan, tmp_path)
        assert len(read_lines(tmp_path)) == 2
    saved = json.loads((tmp_path / RESULTS).read_text())
    assert set(saved["tasks"]) == set(results["tasks"]) == {"image", "plain"}
    assert saved["tasks"]["plain"]["media"]["value"] == 0
    assert (tmp_path / report.PAGE).is_file()
    with pytest.raises(ValueError, match="they differ in seed; choose"):
        runner.run(str(saved_model), Plan("people", folder, limit=1, seed=2), tmp_path)


@pytest.mark.parametrize(
    ("suite", "data", "rows", "complaint"),
    [
        ("people", False, (), "the suite people needs --data, a folder with people.jsonl"),
        ("world", True, (), "the suite world makes its own cases; leave --data out"),
        ("people", True, ("talk",), "no row named 'talk'; there are image, audio, video, multi"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(folder, tmp_path, suite, data, rows, complaint):
    with pytest.raises(ValueError, match=complaint):
        runner.run("mini", Plan(suite, folder if data else None, rows=rows), tmp_path)

"""The page of a published suite: its tree of abilities, a bar for each task, and confusions."""

import re

import pytest

from anygen.evaluation import report, runner
from anygen.evaluation.report import is_divided, parent_of, tree_of
from anygen.evaluation.results import read_lines, rows_table
from anygen.evaluation.runner import Plan
from support.suites import choose_rabbit, passes, results_of, write_mmbench, write_pope


def test_rows_stand_below_the_one_that_they_divide(tmp_path):
    rows = [
        row
        for number, category in ((1, "naming"), (2, "naming"), (3, "counting"))
        for row in passes(number, category=category)
    ]
    (tmp_path / "data").mkdir()
    data = write_mmbench(tmp_path / "data", rows)
    results = results_of("mmbench", data, choose_rabbit, tmp_path / "out")
    found = tree_of(results, read_lines(tmp_path / "out"))
    depths = dict(found)
    assert depths["overall"] == 0
    assert depths["naming"] == depths["counting"] == depths["overall"] + 1
    order = [name for name, _ in found]
    assert order.index("overall") < order.index("naming")
    assert sorted(order) == sorted(results["rows"])


def test_rows_that_share_units_or_leave_some_out_are_no_parts():
    whole = frozenset("abc")
    assert is_divided(whole, [frozenset("ab"), frozenset("c")])
    assert not is_divided(whole, [frozenset("ab"), frozenset("bc")])
    assert not is_divided(whole, [frozenset("ab")])
    units = {"all": whole, "most": frozenset("ab"), "one": frozenset("a")}
    assert parent_of("one", units) == "most"
    assert parent_of("all", units) is None


def test_answers_of_few_classes_have_a_matrix_and_tasks_a_bar(tmp_path):
    data = write_pope(tmp_path / "data")
    results_of("pope", data, lambda text: "yes" if "dog" in text else "no", tmp_path / "out")
    results = runner.run("gone", Plan("pope", data), tmp_path / "out", score_only=True)
    lines = read_lines(tmp_path / "out")
    pairs = report.classes("accuracy", lines)
    assert sorted(set(pairs)) == [("no", "no"), ("yes", "no"), ("yes", "yes")]
    assert pairs.count(("yes", "no")) == 3
    text = (tmp_path / "out" / "report.html").read_text()
    assert text.count('class="bar"') >= len(results["tasks"])
    assert "confusion matrix of random" in text
    heads = re.findall("<th>(.*?)</th>", text.partition("</thead>")[0])
    assert heads == ["row", "value", "95 %", "", "n", "chance", "seconds"]
    assert "pope, mode questions, seed 0" in text
    assert not (tmp_path / "out" / "samples.html").exists()
    assert "samples.html" not in text


def test_a_table_has_the_columns_that_have_something():
    row = {"value": 50.0, "n": 2, "target": None, "interval": [10, 90]}
    assert next(rows_table({"a": row})).split() == ["row", "value", "95", "%", "n"]
    aimed = {**row, "target": 80, "at_most": False, "control": {"value": 40.0}}
    lines = [line.split() for line in rows_table({"a": row, "b": aimed})]
    assert lines[0] == ["row", "value", "target", "95", "%", "n", "control"]
    assert lines[2] == ["b", "50.0", ">=80", "10-90", "2", "40.0"]


@pytest.mark.parametrize(
    ("truth", "verdict"),
    [({"a": "x"}, {"b": "x"}), ({"a": "x", "b": "y"}, {"a": "x", "b": "y"}), ({}, {})],
)
def test_answers_without_one_class_have_no_matrix(truth, verdict):
    lines = [{"truth": truth, "verdict": verdict, "scores": {}}] * 3
    assert report.classes("any", lines) == []


def test_answers_of_many_classes_have_no_matrix():
    lines = [{"truth": {"a": str(n)}, "verdict": {"a": "x"}} for n in range(report.FEW + 1)]
    assert report.classes("any", lines) == []
    assert len(report.classes("any", lines[1:])) == report.FEW

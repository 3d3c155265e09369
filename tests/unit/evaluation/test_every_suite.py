"""The table of docs/evaluate.md comes from a script with a fixture for every published suite."""

import pytest

from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.suites.registry import MODULES, find_suite
from suites import FIXTURES, results_of, table_rows
from support.suites import Ruled


def test_every_suite_but_ours_has_a_fixture():
    assert {*FIXTURES} == {*MODULES} - {"world", "people"}


def asks_for_text(name):
    suite = find_suite(name)
    return not (suite.makes_media or suite.needs_model)


@pytest.mark.parametrize("name", filter(asks_for_text, FIXTURES))
def test_a_suite_of_text_answers_runs_from_end_to_end(name, capsys):
    model = Ruled(lambda _: "yes")
    lines = list(table_rows(name, results_of(name, model, Judges())))
    assert len(lines) == len(FIXTURES[name].rows)
    assert bool(model.requests) == (name != "ehub")
    capsys.readouterr()

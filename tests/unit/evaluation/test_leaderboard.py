"""Several evaluations on one page: against a baseline, and whatever lies in a folder."""

import json
import shutil

import pytest

from anygen.evaluation import runner
from anygen.evaluation.leaderboard import best_of, compare_all, leaderboard, letter
from anygen.evaluation.metrics import holm
from anygen.evaluation.results import IDENTITY
from anygen.evaluation.runner import Plan
from support.suites import knows_mme, results_of, write_mme, write_pope


def test_p_values_are_corrected_for_their_number():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three models on POPE, of which the second is perfect, and one on MME."""
    root = tmp_path_factory.mktemp("results")
    pope = write_pope(root.parent / "pope data")
    golds = {"dog": "yes", "cup": "no", "cat": "yes", "tree": "no"}

    def knows(text):
        return next(gold for thing, gold in golds.items() if f" {thing} " in text)

    rules = {"yes": lambda text: "yes", "knows": knows, "also yes": lambda text: "yes"}
    for name, rule in rules.items():
        results_of("pope", pope, rule, root / name)
        runner.run("gone", Plan("pope", pope), root / name, score_only=True)
    mme = write_mme(root.parent / "mme data")
    results_of("mme", mme, knows_mme, root / "mme")
    runner.run("gone", Plan("mme", mme), root / "mme", score_only=True)
    return root


def test_each_is_compared_with_the_first(folder, tmp_path):
    folders = [folder / name for name in ("yes", "knows", "also yes")]
    heading, *lines, page = compare_all(folders, tmp_path / "all.html")
    assert heading.split() == ["row", "A", "B", "C"]
    cells = {line.split()[0]: line.split()[1:] for line in lines}
    # six of twelve answers gained: p is 2 / 2^6, and twice that for two comparisons
    assert cells["accuracy"] == ["50", "100", "(+50)", "50", "(+0)"]
    assert cells["f1"][2].endswith("*)")  # a bootstrap's interval
    text = (tmp_path / "all.html").read_text()
    assert page.endswith("all.html")
    assert ", p 0.0625, n 12" in text


def test_two_are_compared_as_before_and_one_is_refused(folder, tmp_path):
    first, *_ = compare_all([folder / "yes", folder / "knows"], tmp_path / "two.html")
    assert first.split() == ["row", "A", "B", "B", "-", "A", "95", "%", "p", "n"]
    with pytest.raises(ValueError, match="needs the results of two models or more"):
        list(compare_all([folder / "yes"], tmp_path / "one.html"))


def test_results_that_were_judged_in_another_way_are_not_compared(folder, tmp_path):
    judged = shutil.copytree(folder / "knows", tmp_path / "judged")
    identity = json.loads((judged / IDENTITY).read_text())
    (judged / IDENTITY).write_text(json.dumps({**identity, "judge": "http://h/v1#m"}))
    with pytest.raises(ValueError, match=r"with judge none, .*judged with http://h/v1#m"):
        list(compare_all([folder / "yes", judged], tmp_path / "two.html"))


def test_results_that_are_not_json_are_refused_by_their_path(tmp_path):
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(ValueError, match=r"results.json: is not JSON"):
        list(leaderboard(tmp_path, tmp_path / "board.html"))


def test_a_folder_of_results_has_a_table_for_each_suite(folder, tmp_path):
    lines = list(leaderboard(folder, tmp_path / "board.html"))
    titles = [line for line in lines if line.startswith(("mme, ", "pope, "))]
    assert sorted(titles) == ["mme, mode questions, seed 0", "pope, mode questions, seed 0"]
    [row] = [line for line in lines if line.startswith("accuracy")]
    assert [word for word in row.split() if "(" not in word] == ["accuracy", "50", "100", "50"]
    text = (tmp_path / "board.html").read_text()
    assert '<td class="good" title="n = 12">100' in text
    with pytest.raises(ValueError, match="holds no results of anygen evaluate"):
        list(leaderboard(tmp_path, tmp_path / "board.html"))


def test_the_best_value_is_the_least_where_less_is_better():
    rows = [{"value": 3.0, "at_most": True}, {"value": 2.0, "at_most": True}]
    assert best_of(rows) == 2
    assert best_of([{**row, "at_most": False} for row in rows]) == 3
    assert best_of(rows[:1]) is None


def test_more_runs_than_letters_have_names_of_their_own():
    letters = [letter(n) for n in (0, 25, 26, 51, 52, 701, 702)]
    assert letters == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]

"""Answers as the files of other programs: what we write is read and scores the same."""

import csv
import json

import pytest

from anygen.evaluation import runner
from anygen.evaluation.exports import export
from anygen.evaluation.results import IDENTITY
from anygen.evaluation.runner import Plan
from support.reform import Scoring, option, write_reform
from support.suites import (
    choose_rabbit,
    knows_mme,
    passes,
    results_of,
    values,
    write_mmbench,
    write_mme,
    write_pope,
)


def results_in(out, name, data, rule, mode):
    results = results_of(name, data, rule, out, mode=mode)
    (out / IDENTITY).write_text(json.dumps({"suite": name, "mode": mode, "seed": 0}))
    return results


def test_answers_to_mme_have_the_layout_of_its_tool(tmp_path):
    data = write_mme(tmp_path / "data")

    def rule(text):
        return "Yes.\tI\nthink" if "true 1" in text else knows_mme(text)

    results = results_in(tmp_path / "out", "mme", data, rule, "questions")
    paths = export(tmp_path / "out", data, tmp_path / "files")
    assert {path.name for path in paths} == {"existence.txt", "posters.txt", "code_reasoning.txt"}
    first = (tmp_path / "files/existence.txt").read_text().splitlines()[0]
    assert first.split("\t") == [
        "0001.png",
        "Is it true 1?  Please answer yes or no.",
        "Yes",
        "Yes. I think",
    ]
    again = runner.run("", Plan("mme", tmp_path / "files", mode="answers"), tmp_path / "again")
    assert values(again) == values(results)


def test_answers_to_mmbench_have_the_table_of_vlmevalkit(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    data = write_mmbench(folder, passes(7))
    results_in(tmp_path / "out", "mmbench", data, choose_rabbit, "circular")
    [path] = export(tmp_path / "out", data, tmp_path / "files")
    assert path.name == "anygen_MMBench_DEV_EN.tsv"
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert [row["index"] for row in rows] == ["7", "1000007", "2000007", "3000007"]
    assert [row["prediction"] for row in rows] == [row["answer"] for row in rows]
    assert (rows[1]["A"], rows[1]["answer"], rows[1]["category"]) == ("rabbit", "A", "naming")


@pytest.mark.parametrize("mode", ["generation", "likelihood"])
def test_answers_to_reform_score_the_same_as_predictions(tmp_path, mode):
    data = write_reform(tmp_path / "data")

    def rule(text):
        return option(text, "red") if "red;" in text or "red." in text else "(A) or open 24"

    model = Scoring(rule, lambda text: text == "red")
    results = results_in(tmp_path / "out", "reform", data, model, mode)
    paths = export(tmp_path / "out", data, tmp_path / "files")
    assert tmp_path / "files/VQAv2_SingleChoice.json" in paths
    assert tmp_path / "files/FUNSD_KIEOpenEnded.json" in paths
    again = runner.run("", Plan("reform", tmp_path / "files", mode="answers"), tmp_path / "again")
    figures = ("accuracy", "instability", "words", "slope", "cider_d_simple")
    for name, rows in results["tasks"].items():
        for figure in set(figures) & set(rows):
            assert again["tasks"][name][figure]["value"] == rows[figure]["value"], (name, figure)
    entry = json.loads((tmp_path / "files/VQAv2_SingleChoice.json").read_text())[0]
    assert isinstance(entry["prediction"], int if mode == "likelihood" else str)
    assert set(entry) == {"sample_id", "prediction", "answer", "answer_options"}


def test_what_cannot_be_exported_is_said(tmp_path):
    data = write_pope(tmp_path / "data")
    with pytest.raises(ValueError, match="holds no results of anygen evaluate"):
        export(tmp_path, data, tmp_path / "files")
    results_in(tmp_path / "out", "pope", data, lambda _: "yes", "questions")
    with pytest.raises(ValueError, match="the suite pope has no files of another program; mme, "):
        export(tmp_path / "out", data, tmp_path / "files")
    results_in(tmp_path / "mme", "mme", write_mme(tmp_path / "m", ["count"]), str, "questions")
    other = write_mme(tmp_path / "other", ["color"])
    with pytest.raises(ValueError, match="holds no answers to the questions in"):
        export(tmp_path / "mme", other, tmp_path / "files")
    export(tmp_path / "mme", tmp_path / "m", tmp_path / "files")
    runner.run("", Plan("mme", tmp_path / "files", mode="answers"), tmp_path / "scored")
    with pytest.raises(ValueError, match="there is nothing to export"):
        export(tmp_path / "scored", tmp_path / "files", tmp_path / "twice")

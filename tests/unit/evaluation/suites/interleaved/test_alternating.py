"""ISG-Bench, OpenING and MMIE: their questions, the structure of answers, and the files of both."""

import json

import pytest

from anygen.evaluation import runner
from anygen.evaluation.runner import Plan
from anygen.evaluation.suites.base import Source
from anygen.evaluation.suites.interleaved import isg, mmie, opening
from anygen.io.media_files import read_media
from support.generation_suites import Making, flat, write_isg, write_mmie, write_opening
from support.suites import results_of, values, write_lines


def knowing(first, second):
    return Making(lambda words, n: first if "two" in words else second)


def test_the_structure_of_isg_is_the_sequence_of_parts(tmp_path):
    data, out = write_isg(tmp_path / "data"), tmp_path / "out"
    model = knowing(["Rain. ", flat(9), " \n", flat(8)], ["So"])
    found = values(results_of("isg", data, model, out))
    assert found == {"structure": 100, "number": 100, "made": 100}
    first, second = map(json.loads, (out / "isg" / "answers.jsonl").read_text().splitlines())
    assert [part["type"] for part in first["output"]] == ["text", "image", "image"]
    assert first["output"][0]["content"] == "Rain."
    assert read_media(first["output"][2]["content"]).pixels.unique().tolist() == [8]
    assert second["output"] == [{"type": "text", "content": "So"}]
    assert [type(part).__name__ for part in model.requests[0].messages[0].parts] == ["str", "Image"]


def test_what_isgs_judge_wrote_is_read_without_a_model(tmp_path, capsys):
    """The first answer has relations of 8 and 6, one of two questions, and 7 as a whole."""
    data, out = write_isg(tmp_path / "data"), tmp_path / "out"
    results_of("isg", data, knowing(["Rain. ", flat(9), flat(8)], ["So"]), out)
    blocks = [
        {"VQA_judge_Score": {"Judge": 8}},
        {"VQA_judge_Score": {"Judge": 6}},
        {"subject": "x"},
    ]
    images = [{"judge": {"Judge": "Yes"}}, {"id": 1}]
    result = {"structure": True, "block": blocks, "image": images}
    rows = [
        {"id": "0000", "result": {**result, "holistic": {"overall_score": 7}}},
        {"id": "0001", "result": {"error": "it failed"}},
    ]
    write_lines(out / "isg" / "answers_0_-1_judge.jsonl", rows)
    expected = {
        "structure": 100,
        "number": 100,
        "made": 100,
        "block": (7 + 1) / 2,
        "image": 25,
        "holistic": (7 + 1) / 2,
    }
    assert values(runner.run("gone", Plan("isg", data), out, score_only=True)) == expected
    write_lines(out / "isg" / "answers_0_-1_judge.jsonl", rows[:1])  # it ended before the second
    assert values(runner.run("gone", Plan("isg", data), out, score_only=True)) == expected
    capsys.readouterr()


@pytest.mark.parametrize(
    ("parts", "structure", "number"),
    [
        ([flat(9), "Rain.", flat(8)], 50, 100),
        (["Rain.", flat(9)], 50, 50),
        (["Rain."], 50, 50),
        ([], 0, 50),
    ],
)
def test_an_answer_of_another_form_has_another_structure(tmp_path, parts, structure, number):
    model = knowing(parts, ["So"] if parts else [])
    found = values(results_of("isg", write_isg(tmp_path / "d"), model, tmp_path / "o"))
    assert (found["structure"], found["number"]) == (structure, number)


def test_opening_gets_a_file_for_each_answer(tmp_path):
    data, out = write_opening(tmp_path / "data"), tmp_path / "out"
    model = Making(lambda words, n: ["He ran. ", flat(9), " End."])
    assert values(results_of("opening", data, model, out))["structure"] == 100
    row = json.loads((out / "anygen_output" / "0301096.json").read_text())
    assert row["conversations"][1]["output"] == [
        {"text": "He ran.", "image": "0301096-o-0.jpg"},
        {"text": "End.", "image": None},
    ]
    assert (out / "anygen_output" / "0301096-o-0.jpg").is_file()
    assert model.requests[0].messages[0].parts[0] == "Go on:"


def test_mmie_gets_one_file_of_all_answers(tmp_path):
    data, out = write_mmie(tmp_path / "data"), tmp_path / "out"
    model = Making(lambda words, n: [flat(9), "Thus."])
    found = values(results_of("mmie", data, model, out))
    assert found == {"structure": 0, "number": 100, "made": 100}
    [row] = json.loads((out / "mmie" / "data.json").read_text())
    assert row["answer"] == [{"text": None, "image": "1_0.png"}, {"text": "Thus.", "image": None}]
    assert row["model"] == "anygen"


def test_what_is_missing_or_in_another_form_is_named(tmp_path):
    data = write_isg(tmp_path / "isg")
    (data / "images" / "0000_q1.png").unlink()
    with pytest.raises(ValueError, match=r"there is no file .*0000_q1.png"):
        isg.read(Source(data))
    write_lines(
        data / "ISG-Bench.jsonl",
        [{"id": 1, "Category": "x", "Query": [{"type": "video", "content": "a"}], "Golden": []}],
    )
    with pytest.raises(ValueError, match="a part has the type 'video', not text or image"):
        isg.read(Source(data))
    data = write_opening(tmp_path / "opening")
    write_lines(
        data / "test_data.jsonl", [{"total_uid": "1", "subtask_name": "x", "conversations": []}]
    )
    with pytest.raises(ValueError, match="1: has 0 inputs; it needs one"):
        opening.read(Source(data))
    data = write_mmie(tmp_path / "mmie")
    (data / "data.json").write_text('[{"id": 1, "question": []}]')
    with pytest.raises(ValueError, match=r"data.json: lacks gt_answer"):
        mmie.read(Source(data))

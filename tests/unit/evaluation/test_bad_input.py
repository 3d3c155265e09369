"""What is wrong with the data, a model or an option is said in one line, with exit code 2."""

import json
import pickle
import sys

import pytest

from anygen.cli.main import main
from support.reform import put
from support.suites import bench_row, passes, write_mmbench, write_mme, write_pope, write_vqa

VQA_FILE = "VQA_v2/vqa_val_10p.json"


def nothing(folder):
    return folder


def lost_picture(folder):
    next(write_mme(folder).rglob("0001.png")).unlink()


def three_questions(folder):
    path = next(write_mme(folder).rglob("0001.txt"))
    path.write_text("One?\tYes\nTwo?\tNo\nThree?\tNo\n")


def three_passes(folder):
    write_mmbench(folder, passes(1)[:3])


def same_index(folder):
    write_mmbench(folder, [bench_row(1), bench_row(1)])


def wrong_gold(folder):
    write_mmbench(folder, [bench_row(1, answer="E")])


def same_id(folder):
    path = write_pope(folder) / "coco_pope_random.json"
    path.write_text(path.read_text() + path.read_text())


def pickled(folder):
    (folder / "refs(unc).p").write_bytes(pickle.dumps({}))


def cut(folder):
    path = write_pope(folder) / "coco_pope_random.json"
    path.write_text(path.read_text()[:-40])


def other_types(folder):
    write_vqa(folder, {1: ["a"]})
    path = folder / "v2_mscoco_val2014_annotations.json"
    path.write_text(json.dumps({"annotations": [{"question_id": 1, "answers": [7]}]}))


def odd_boxes(folder):
    row = {"question_id": 1, "image": "", "question": "?", "answer": 0, "answer_options": ["a"]}
    put(folder, "MSCOCO/goi_core_multiple_choice.json", {"data": [{**row, "bbox": "left"}]})


def no_options(folder):
    put(folder, VQA_FILE, {"data": [{"question_id": 1, "image_id": "", "answer": "a"}]})


@pytest.mark.parametrize(
    ("suite", "make", "complaint"),
    [
        ("mme", None, "there is no folder"),
        ("mme", nothing, "has no task of MME; it needs a folder for each task, such as existence/"),
        ("mme", lost_picture, "0001.txt: has no picture"),
        ("mme", three_questions, "0001.txt: has 3 lines; it needs two"),
        ("mmbench", nothing, "needs one file *.tsv, one .tsv with index, question, A, B"),
        ("mmbench", three_passes, "question 1: has 3 passes of 4"),
        ("mmbench", same_index, "has the index 1 twice"),
        ("mmbench", wrong_gold, "the answer 'E' is none of its 4 options"),
        ("pope", same_id, "the data have two entries with the id 'random/1'"),
        ("pope", cut, "is not JSON"),
        ("refcoco", pickled, "is a pickle, which could run code"),
        ("vqa", other_types, "is not in the layout of the suite vqa (TypeError: "),
        ("reform", nothing, "has no such set of ReForm-Eval; it needs ReForm-Eval-Data/"),
        ("reform", odd_boxes, "row 0: the box 'left' is not four numbers"),
        ("reform", no_options, "row 0: lacks answer_options or options or anno"),
        ("ehub", nothing, "has no answers; it needs a .json for each set"),
        ("vcr", nothing, "val.jsonl; --data takes a folder with val.jsonl and vcr1images/"),
        ("omnibench", nothing, "needs one file *.jsonl, dataset/*.jsonl and mm_data/"),
    ],
)
def test_data_that_are_not_valid_are_refused_in_one_line(
    tmp_path, monkeypatch, capsys, suite, make, complaint
):
    data = tmp_path / "data"
    if make:
        data.mkdir()
        make(data)
    line = refusal(monkeypatch, capsys, "--suite", suite, "--data", str(data))
    assert complaint in line


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--mode", "likelihood", "--model", "http://127.0.0.1:9/v1#m"], "needs a model's folder"),
        (["--model", "http://127.0.0.1:9/v1"], "http://127.0.0.1:9/v1: does not list its models"),
        (["--mode", "guess"], "the suite pope has no mode 'guess'; it has questions, likelihood"),
        (["--judge", "http://127.0.0.1:9/v1#m"], "the suite pope reads all answers by its rules"),
        (["--rows", "hits"], "no row named 'hits'; there are random, popular, adversarial"),
        (["--score-only"], "holds no answers; leave --score-only out"),
    ],
)
def test_options_that_cannot_be_met_are_refused_in_one_line(
    tmp_path, monkeypatch, capsys, options, complaint
):
    data = tmp_path / "data"
    data.mkdir()
    write_pope(data)
    line = refusal(monkeypatch, capsys, "--suite", "pope", "--data", str(data), *options)
    assert complaint in line


def refusal(monkeypatch, capsys, *options) -> str:
    """The only line on stderr of `anygen evaluate`."""
    monkeypatch.setattr(sys, "argv", ["anygen", "evaluate", "--out", "/dev/null/out", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    captured = capsys.readouterr()
    [line] = captured.err.splitlines()
    assert line.startswith("anygen: ")
    return line

"""Files of other programs may hold anything: they are read, or refused in one line with a path."""

import json
import math
from copy import deepcopy

import pytest

from anygen.evaluation.arena.battles import read_battles
from anygen.evaluation.asking import text_answer
from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.suites.base import Answered, Bench, Source, Unit
from anygen.evaluation.suites.generation import compbench, dpg, geneval, vbench
from anygen.evaluation.suites.interleaved import isg
from anygen.evaluation.suites.registry import find_suite
from anygen.evaluation.units import checked, read_units

ODD = (None, True, -1, "x", "", [], {}, [None], math.nan, math.inf, "nan", 10**400, {"a": [1]})
JUNK = (b"", b"\xff\xfe", b"[", b"[" * 50_000, b"null", b"1", b'"a"', b"\x00", b"{}{}", b"\n\n")


def changed(value):
    """The value with one part of it, each in turn, put to something odd or left out."""

    def places(part, path=()):
        yield path
        if isinstance(part, dict | list):
            keys = part if isinstance(part, dict) else range(len(part))
            for key in keys:
                yield from places(part[key], (*path, key))

    for path in places(value):
        for odd in ODD:
            whole = [deepcopy(value)]
            *way, last = (0, *path)
            parent = whole
            for key in way:
                parent = parent[key]
            parent[last] = odd
            yield whole[0]
            del parent[last]
            yield whole[0] if whole else None


def contents(value, lines):
    """Odd files: other values, cut ones, and bytes that are nothing."""

    def dumped(one):
        rows = one if lines and isinstance(one, list) else [one]
        return "".join(json.dumps(row) + "\n" for row in rows).encode()

    whole = dumped(value)
    yield from map(dumped, changed(value))
    yield from (whole[:cut] for cut in range(0, len(whole), 7))
    yield from JUNK


def scored_again(name):
    """Answers in the data, judged."""
    suite = find_suite(name)

    def read(folder):
        units = checked(read_units(suite, Source(folder, suite.modes[-1] if suite.modes else "")))
        return [
            dict(outcome.numbers)
            for outcome in suite.judge(
                Bench(None, Judges()),
                [Answered(unit, (), (), list(map(text_answer, unit.answers))) for unit in units],
            )
        ]

    return read


def read_isg(folder):
    unit = Unit("7", "Prediction", ("structure",), isg.Question((), ("text",), {"id": "7"}))
    bench = Bench(None, Judges(), folder.parent)
    return [dict(one.numbers) for one in isg.judge(bench, [Answered(unit, (), (), [])])]


def read_votes(folder):
    return [battle.model_dump() for battle in read_battles(folder.iterdir())]


CHOICE = {"sample_id": "1", "answer": 1, "answer_options": ["a", "b"], "prediction": "(A) a"}
FASTCHAT = {"model_a": "a", "model_b": "b", "winner": "model_a", "question_id": 3}
OPENING = {"data_id": "1", "model_A": {"name": "x"}, "model_B": {"name": "y"}, "winner": "Tie(A)"}
GRADES = {
    "block": [{"VQA_judge_Score": {"Judge": 8}}],
    "image": [{"judge": {"Judge": "Yes"}}],
    "holistic": {"overall_score": 7},
}


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        (
            "geneval/results.jsonl",
            [{"filename": "a/00000/samples/0000.png", "correct": True}],
            geneval.read_results,
        ),
        (
            "compbench/color/vqa_result.json",
            [{"question_id": 0, "answer": "0.5"}],
            lambda folder: compbench.read_results(folder.parent),
        ),
        ("vbench/x_eval_results.json", {"color": [0.5, []], "scene": 0.3}, vbench.read_results),
        ("isg/answers_0_judge.jsonl", [{"id": "7", "result": GRADES}], read_isg),
        ("ehub/VQAv2.json", [{"answer": "a", "gt_answers": ["a", "b"]}], scored_again("ehub")),
        ("reform/X_SingleChoice.json", [{**CHOICE, "round_id": 0}], scored_again("reform")),
        (
            "reform/X_KIEOpenEnded.json",
            [{"sample_id": "1", "answer": ["a"], "prediction": "a"}],
            scored_again("reform"),
        ),
        (
            "votes/fastchat.json",
            [FASTCHAT, OPENING],
            read_votes,
        ),
        ("votes/fastchat.jsonl", [FASTCHAT], read_votes),
    ],
)
def test_what_another_program_wrote_is_read_or_refused_in_one_line(tmp_path, name, value, read):
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    samples = path.parent / "samples"
    if name.startswith("compbench"):
        samples.mkdir()
        (samples / "a_000000.png").write_bytes(b"")
    refused = 0
    for content in contents(value, path.suffix == ".jsonl"):
        path.write_bytes(content)
        try:
            json.dumps(read(path.parent), allow_nan=False, default=str)
        except ValueError as error:
            refused += 1
            sentence = str(error)
            assert "\n" not in sentence
            assert str(path.parent) in sentence or "hold no" in sentence
    assert refused > len(JUNK) / 2


def test_a_line_that_is_no_answer_of_dpgs_program_is_named(tmp_path):
    path = tmp_path / "x_detail.txt"
    odd = {b"cat.png, yes\n": ":1: is no answer", b"\xff\n": ": is not in the form of"}
    for content, complaint in odd.items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"x_detail\.txt{complaint}"):
            dpg.read_answers(tmp_path)

"""What a person decides about dialogues holds when the set is built or split again."""

import json

import pytest

from anygen.core.records import Record
from anygen.training.data.files import RecordFile
from anygen.training.data.split import split
from mosit_data.build.decisions import decisions_path, read_decisions, sha256_of
from mosit_data.build.pipeline import Order, build
from mosit_data.build.presets.base import Source
from mosit_data.build.writers import GrammarWriter
from support.own_data import talk, write_records


def lines(path) -> list:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def decision(row: dict, word: str, **more) -> dict:
    return {"id": row["id"], "sha256": sha256_of(Record(**row)), "decision": word, **more}


def with_text(row: dict, text: str) -> dict:
    changed = json.loads(json.dumps(row))
    changed["messages"][-1]["content"][0]["text"] = text
    return changed


def test_a_build_does_as_a_person_decides(tmp_path):
    order = Order("llava", Source(), 20, GrammarWriter(), tmp_path)
    build(order)
    path = tmp_path / "records.jsonl"
    first, second, third, *others = lines(path)
    mended = with_text(second, "Mended.")
    decisions = [decision(first, "drop"), decision(second, "fix", record=mended)]
    write_records(decisions_path(path), *decisions, decision(third, "keep"))
    result = build(order)
    assert lines(path) == [mended, third, *others]
    assert result.reasons["review"] == 1
    # a second look at what was mended
    write_records(decisions_path(path), *decisions, decision(mended, "drop"))
    assert build(order).reasons["review"] == 2
    assert lines(path) == [third, *others]


def test_a_decision_is_about_the_row_as_it_was(tmp_path):
    row = talk("a", "hi", "hello")
    path = write_records(tmp_path / "rows.jsonl", talk("a", "hi", "another answer"), talk("b"))
    write_records(decisions_path(path), decision(row, "drop"))
    assert sum(split([RecordFile(path)], 0.0, None).values()) == 2


def test_a_split_does_as_a_person_decides(tmp_path):
    rows = [talk(name, f"question {name}", "hello") for name in "abc"]
    path = write_records(tmp_path / "rows.jsonl", *rows)
    mended = {**rows[1], "messages": talk("b", "question b", "good day")["messages"]}
    write_records(
        decisions_path(path), decision(rows[0], "drop"), decision(rows[1], "fix", record=mended)
    )
    split([RecordFile(path)], 0.0, None)
    kept = [Record(**row) for row in lines(tmp_path / "rows.train.jsonl")]
    assert kept == [Record(**mended), Record(**rows[2])]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"{", r"rows\.decisions\.jsonl:1: "),
        ({"id": "a", "sha256": "0", "decision": "maybe"}, "decision: Input should be 'keep'"),
        ({"id": "a", "sha256": "0", "decision": "fix"}, "a fix, and nothing else, has a 'record'"),
        (
            {"id": "a", "sha256": "0", "decision": "fix", "record": {"id": "a"}},
            "messages: Field required",
        ),
    ],
)
def test_a_line_that_is_no_decision_is_named(tmp_path, line, sentence):
    path = write_records(tmp_path / "rows.decisions.jsonl", line)
    with pytest.raises(ValueError, match=sentence):
        read_decisions(path)

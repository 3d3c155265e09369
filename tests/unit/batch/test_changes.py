"""A folder belongs to one batch: a file may grow, and what has changed is refused by its name."""

import json
from dataclasses import replace

import pytest

from anygen.batch.runner import BatchStart
from anygen.generation.options import AnswerOptions
from support.batches import Painter, never_load, records, rows_of, run, write_rows


def starts(source, out, **settings):
    """How many rows were done before, and how many were left."""
    found = []
    run(Painter, source, out, found.append, **settings)
    return found


def refusal(source, out, **settings):
    with pytest.raises(ValueError, match="choose another --out") as refused:
        run(never_load, source, out, **settings)
    return str(refused.value)


def test_a_first_run_and_a_second_are_counted(tmp_path):
    source = write_rows(tmp_path, *rows_of("a", "b", "refuse"))
    assert starts(source, tmp_path) == [BatchStart(0, 3)]
    assert starts(source, tmp_path) == [BatchStart(2, 1)]


def test_a_file_may_grow(tmp_path):
    out = tmp_path / "out"
    run(Painter, write_rows(tmp_path, *rows_of(*"abc")), out, shard_size=2)
    source = write_rows(tmp_path, *rows_of(*"abcdef"))
    assert [record["id"] for record in run(Painter, source, out, shard_size=2)] == [
        "r3",
        "r4",
        "r5",
    ]
    shards = sorted(path.name for path in (out / "shards").iterdir())
    assert shards == ["00000000.jsonl", "00000002.jsonl", "00000003.jsonl", "00000004.jsonl"]
    run(Painter, source, tmp_path / "at once", shard_size=2)
    assert records(out) == records(tmp_path / "at once")


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (rows_of("a", "c"), "1 row was answered there with another prompt (r1)"),
        (rows_of("c", "a"), "2 rows were answered there with another prompt (r0, r1)"),
        (rows_of("a"), "holds rows that this file does not have (r1)"),
        (
            [{"id": "new", "prompt": "a"}, *rows_of("a", "b")],
            "new: this row stands where another one was before; new rows go to the end",
        ),
    ],
)
def test_a_file_that_has_changed_is_refused(tmp_path, rows, sentence):
    run(Painter, write_rows(tmp_path, *rows_of("a", "b")), tmp_path / "out")
    before = (tmp_path / "out" / "records.jsonl").read_bytes()
    assert sentence in refusal(write_rows(tmp_path, *rows), tmp_path / "out")
    assert (tmp_path / "out" / "records.jsonl").read_bytes() == before


def test_the_same_prompt_in_another_form_has_not_changed(tmp_path):
    content = [{"type": "text", "text": "a"}]
    run(Painter, write_rows(tmp_path, {"id": "x", "prompt": "a"}), tmp_path)
    row = {"messages": [{"content": content, "role": "user"}], "id": "x"}
    assert starts(write_rows(tmp_path, row), tmp_path) == [BatchStart(1, 0)]


GIVEN = {"seed": 3, "options": AnswerOptions(max_media=2), "model": "mini"}


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"seed": 4}, "seed was 3 and is 4"),
        ({"options": AnswerOptions(max_media=3)}, "options.max_media was 2 and is 3"),
        ({"options": AnswerOptions()}, "options.max_media was 2 and is not given"),
        ({"model": "maxi"}, "model was mini and is maxi"),
        ({"format": "parquet"}, "format was files and is parquet"),
        ({"shard_size": 5}, "shard_size was 64 and is 5"),
        ({"metadata": False}, "metadata was true and is false"),
        ({"modality": ("image",)}, 'modality was [] and is ["image"]'),
    ],
)
def test_a_folder_of_another_job_is_refused_with_the_differences(tmp_path, other, difference):
    out = tmp_path / "out"
    run(Painter, write_rows(tmp_path, *rows_of("refuse")), out, **GIVEN)
    message = refusal(write_rows(tmp_path, *rows_of("a")), out, **{**GIVEN, **other})
    assert f"{out}: is the folder of another job: {difference}; give" in message


def test_settings_that_change_no_answer_may_change(tmp_path):
    source = write_rows(tmp_path, *rows_of("a", "refuse"))
    run(Painter, source, tmp_path, **GIVEN)
    assert starts(source, tmp_path, **GIVEN, batch_size=4, retries=2) == [BatchStart(1, 1)]


def test_a_prompt_that_was_answered_with_other_settings_is_refused(tmp_path):
    run(Painter, "a cat", tmp_path, model="mini")
    message = refusal("a cat", tmp_path, model="maxi")
    assert message.startswith("1 row was answered there with other settings (a-cat-")


def test_other_weights_are_refused(tmp_path):
    class Retrained(Painter):
        model_id = replace(Painter.model_id, weights="1" * 64)

    run(Painter, write_rows(tmp_path, *rows_of("a")), tmp_path / "out")
    with pytest.raises(ValueError, match=r"weights was 0+ and is 1+; give what was given there"):
        run(Retrained, write_rows(tmp_path, *rows_of("a", "b")), tmp_path / "out")


def test_the_changed_rows_that_are_named_are_few(tmp_path):
    run(Painter, write_rows(tmp_path, *rows_of(*"abcdefgh")), tmp_path)
    message = refusal(write_rows(tmp_path, *rows_of(*"hgfedcba")), tmp_path)
    assert (
        "8 rows were answered there with another prompt (r0, r1, r2, r3, r4 and 3 more)" in message
    )


def test_records_of_the_last_release_are_not_compared(tmp_path):
    source = write_rows(tmp_path, *rows_of("a"))
    record = {"id": "r0", "status": "ok", "seed": 1, "content": []}
    (tmp_path / "records.jsonl").write_text(json.dumps(record) + "\n")
    found = []
    assert run(never_load, source, tmp_path, found.append) == []
    assert found == [BatchStart(1, 0)]

from collections.abc import Sequence
from dataclasses import replace

import pytest

from anygen.batch.answering import BatchSettings
from anygen.batch.records import file_stem, sha256_of
from anygen.batch.runner import BatchStart, generate_file
from anygen.conversation.provenance import read_provenance
from anygen.core.media import Message
from anygen.generation.answer import Answer, collect
from anygen.generation.events import Done, MediaDone, MediaFailed, MediaStarted, TextDelta
from anygen.generation.request import Request, derive_seed
from anygen.io.media_files import read_media
from support.batches import Painter, never_load, records, rows_of, run, write_rows

FILES = (
    *("records.jsonl", ".records.jsonl.lock", "job.json", "machine.json", "manifest.json"),
    *("_SUCCESS", "shards"),
)


def test_a_file_of_prompts_becomes_media_and_records(tmp_path):
    out = tmp_path / "out"
    made = run(Painter, write_rows(tmp_path, {"id": "a", "prompt": "a cat"}), out, seed=3)
    assert made == records(out)
    hashes = [record.pop(name) for record in made for name in ("prompt_hash", "settings_hash")]
    assert len(set(hashes)) == 2
    assert made == [
        {
            "id": "a",
            "status": "ok",
            "seed": derive_seed(3, "a"),
            "content": [
                {"type": "text", "text": "Here is a cat:"},
                {
                    "type": "image",
                    "path": "a_002_image.png",
                    "sha256": sha256_of(out / "a_002_image.png"),
                },
            ],
        }
    ]
    assert read_media(out / "a_002_image.png").pixels.shape == (3, 4, 4)


def test_a_prompt_alone_is_answered_and_only_a_repeat_is_skipped(tmp_path):
    (made,) = run(Painter, "A red cat!", tmp_path)
    assert made["id"].startswith("a-red-cat-")
    assert made["status"] == "ok"
    assert run(never_load, "A red cat!", tmp_path) == []
    assert len(run(Painter, "A red cat!", tmp_path, seed=1)) == 1
    assert len(run(Painter, "Ein Bär?", tmp_path)) == 1


def test_results_do_not_depend_on_batch_size_or_order(tmp_path):
    rows = rows_of("a", "b", "c", "d", "e")
    run(Painter, write_rows(tmp_path, *rows), tmp_path / "one")
    run(Painter, write_rows(tmp_path, *reversed(rows)), tmp_path / "many", batch_size=3)
    for path in (tmp_path / "one").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "many" / path.name).read_bytes()
    key = "id"
    assert records(tmp_path / "one") == sorted(records(tmp_path / "many"), key=lambda r: r[key])


def test_rows_are_asked_batch_by_batch(tmp_path):
    model = Painter()
    run(lambda: model, write_rows(tmp_path, *rows_of("a", "b", "c")), tmp_path, batch_size=2)
    assert [len(batch) for batch in model.batches] == [2, 1]


def test_bad_rows_become_error_records_and_the_rest_is_answered(tmp_path):
    gone = [{"type": "image", "path": "gone.png"}]
    source = write_rows(
        tmp_path,
        '{"id": "half", "prom',
        "[1, 2]",
        {"id": "gone", "messages": [{"role": "user", "content": gone}]},
        {"id": "typo", "promt": "x"},
        {"id": "mute", "messages": [{"role": "assistant", "content": "x"}]},
        {"id": "good", "prompt": "a cat"},
    )
    made = {record["id"]: record for record in run(Painter, source, tmp_path, batch_size=10)}
    assert [made[row_id]["status"] for row_id in made] == ["error"] * 5 + ["ok"]
    assert made["line-1"]["error"].startswith("line 1 is not JSON: ")
    assert made["line-2"]["error"] == "line 2 is not a JSON object"
    assert made["gone"]["error"] == f"{tmp_path / 'gone.png'}: no such file"
    assert made["typo"]["error"].startswith("promt: no such key; did you mean prompt; a row has ")
    assert made["mute"]["error"].startswith("messages: the last one must have the role user")


def test_a_row_that_the_model_refuses_does_not_take_its_batch_along(tmp_path):
    source = write_rows(tmp_path, *rows_of("a", "refuse this", "c"))
    made = run(Painter, source, tmp_path, batch_size=3)
    assert [record["status"] for record in made] == ["ok", "error", "ok"]
    assert made[1]["error"] == "the prompt is too long"
    assert made[1]["content"] == []


def test_whatever_a_row_does_is_its_own_error_and_the_next_is_answered(tmp_path):
    source = write_rows(tmp_path, *rows_of("a", "break this", "c"))
    for batch_size in (1, 3):
        made = run(Painter, source, tmp_path / str(batch_size), batch_size=batch_size)
        assert [record["status"] for record in made] == ["ok", "error", "ok"]
        assert made[1]["error"] == "RuntimeError: sizes do not match"


def test_a_medium_that_cannot_be_written_is_the_error_of_its_row(tmp_path):
    out = tmp_path / "out"
    (out / "r0_002_image.png").mkdir(parents=True)
    made = run(Painter, write_rows(tmp_path, *rows_of("a", "b")), out)
    assert [record["status"] for record in made] == ["error", "ok"]
    assert made[0]["error"].endswith("Is a directory")


def test_an_error_is_one_line_of_five_hundred_characters_at_most(tmp_path):
    row = {"id": "a", "prompt": "hi", "x" * 3000: 1}
    (made,) = run(Painter, write_rows(tmp_path, row), tmp_path / "out")
    assert len(made["error"]) == 500
    assert made["error"].startswith("xxx")
    assert made["error"].endswith("modalities, options, image, audio, video")


def test_a_medium_that_failed_is_an_error_and_the_rest_of_the_answer_stands(tmp_path):
    class Faulty(Painter):
        def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
            [whole] = super().reply_many(requests)
            events = [
                TextDelta("Hm."),
                MediaStarted(0, "audio"),
                MediaFailed(0, "audio", "out of memory"),
                MediaStarted(1, "image"),
                MediaDone(1, whole.message.parts[1], 7),
                Done("stop", 1, 0, 1),
            ]
            return [collect(events)]

    source, out = write_rows(tmp_path, {"id": "a", "prompt": "both"}), tmp_path / "out"
    (made,) = run(Faulty, source, out)
    assert (made["status"], made["error"]) == ("error", "out of memory")
    assert made["code"] == "failed"
    assert [part.get("path", part.get("text")) for part in made["content"]] == [
        "Hm.",
        "a_002_image.png",
    ]
    assert read_provenance(out / "a_002_image.png").part == 1
    (again,) = run(Painter, source, out)
    assert again["status"] == "ok"
    assert records(out) == [again]
    assert read_provenance(out / "a_002_image.png").part == 0


def test_an_answer_that_was_cut_short_says_why(tmp_path):
    class Brief(Painter):
        def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
            return [replace(answer, finish="length") for answer in super().reply_many(requests)]

    (made,) = run(Brief, write_rows(tmp_path, *rows_of("a")), tmp_path)
    assert (made["status"], made["finish"]) == ("ok", "length")


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "the model ended it at once"),
        ("length", "max_new_tokens"),
        ("deadline", "deadline"),
    ],
)
def test_an_answer_that_is_empty_is_an_error_that_says_why(tmp_path, finish, reason):
    class Silent(Painter):
        def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
            return [Answer(Message("assistant", ()), finish) for _ in requests]

    (made,) = run(Silent, write_rows(tmp_path, *rows_of("a")), tmp_path)
    assert made["status"] == "error"
    assert made["error"].startswith("the answer is empty: ")
    assert reason in made["error"]


def test_a_second_run_skips_what_is_done_and_tries_errors_again(tmp_path):
    run(Painter, write_rows(tmp_path, *rows_of("a", "refuse")), tmp_path / "out")
    model = Painter()
    source = write_rows(tmp_path, *rows_of("a", "b", "c"))
    made = run(lambda: model, source, tmp_path / "out")
    assert [record["id"] for record in made] == ["r2", "r1"]
    assert [(r["id"], r["status"]) for r in records(tmp_path / "out")] == [
        ("r0", "ok"),
        ("r1", "ok"),
        ("r2", "ok"),
    ]
    assert run(never_load, source, tmp_path / "out") == []


def test_a_row_that_failed_counts_its_attempts_and_says_what_kind_of_error_it_is(tmp_path):
    source = write_rows(tmp_path, *rows_of("break", "refuse", "a"))
    made = run(Painter, source, tmp_path / "out", retries=1)
    assert [(r["id"], r.get("code"), r.get("attempts")) for r in made] == [
        ("r0", "failed", 1),
        ("r1", "invalid", 1),
        ("r2", None, None),
        ("r0", "failed", 2),
    ]
    again = run(Painter, source, tmp_path / "out")
    assert [(r["id"], r["attempts"]) for r in again] == [("r0", 3), ("r1", 2)]


def test_a_row_that_failed_may_be_mended(tmp_path):
    out = tmp_path / "out"
    run(Painter, write_rows(tmp_path, *rows_of("a", "refuse")), out)
    assert not (out / "_SUCCESS").exists()
    run(Painter, write_rows(tmp_path, *rows_of("a", "b")), out)
    assert [record["status"] for record in records(out)] == ["ok", "ok"]
    assert (out / "_SUCCESS").exists()


def test_ctrl_c_loses_no_record_and_the_next_run_goes_on(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(Painter, write_rows(tmp_path, *rows_of("a", "stop", "c")), out)
    starts = []
    made = run(Painter, write_rows(tmp_path, *rows_of("a", "b", "c")), out, starts.append)
    assert [record["id"] for record in made] == ["r1", "r2"]
    assert starts == [BatchStart(done=1, pending=2)]
    assert [record["id"] for record in records(out)] == ["r0", "r1", "r2"]


def test_a_half_record_left_by_a_crash_is_made_again(tmp_path):
    source = write_rows(tmp_path, *rows_of("a", "b"))
    run(Painter, source, tmp_path / "whole")
    first = generate_file(Painter, source, BatchSettings(tmp_path / "out"))
    next(first)
    first.close()
    [journal] = (tmp_path / "out" / "_tmp").iterdir()  # nothing is left of the picture's making
    journal.write_bytes(journal.read_bytes()[:-10])
    assert [record["id"] for record in run(Painter, source, tmp_path / "out")] == ["r0", "r1"]
    assert records(tmp_path / "out") == records(tmp_path / "whole")


def test_prompts_share_a_folder_with_a_file_and_nothing_of_theirs_is_lost(tmp_path):
    source, out = write_rows(tmp_path, *rows_of("a", "b")), tmp_path / "out"
    [alone] = run(Painter, "a dog", out)
    run(Painter, source, out)
    [other] = run(Painter, "a cat", out, seed=5)
    assert run(never_load, source, out) == []
    assert [r["id"] for r in records(out)] == [alone["id"], other["id"], "r0", "r1"]
    whole = (out / "records.jsonl").read_bytes()
    (out / "records.jsonl").write_bytes(whole[:-10])  # a crash while a prompt was added
    run(never_load, source, out)
    assert (out / "records.jsonl").read_bytes() == whole


def test_a_file_that_was_deleted_is_made_again(tmp_path):
    source, out = write_rows(tmp_path, *rows_of("a", "b")), tmp_path / "out"
    run(Painter, source, out)
    data = (out / "r1_002_image.png").read_bytes()
    (out / "r1_002_image.png").unlink()
    assert [record["id"] for record in run(Painter, source, out)] == ["r1"]
    assert (out / "r1_002_image.png").read_bytes() == data


def test_two_runs_do_not_write_into_one_folder(tmp_path):
    source = write_rows(tmp_path, *rows_of("a", "b"))
    first = generate_file(Painter, source, BatchSettings(tmp_path / "out"))
    next(first)
    with pytest.raises(ValueError, match="another run writes there"):
        run(never_load, source, tmp_path / "out")
    assert [record["id"] for record in first] == ["r1"]
    assert run(never_load, source, tmp_path / "out") == []


def test_records_that_are_not_ours_are_never_overwritten(tmp_path):
    (tmp_path / "records.jsonl").write_text('{"mine": 1}\n')
    with pytest.raises(ValueError, match="line 1 was not written by anygen; choose another --out"):
        run(never_load, write_rows(tmp_path, *rows_of("a")), tmp_path)
    assert (tmp_path / "records.jsonl").read_text() == '{"mine": 1}\n'


def test_an_id_cannot_leave_the_folder_or_take_the_file_of_another(tmp_path):
    ids = ["../up", "..", "a/b", "a_b", "A_b", "a_B", "ä", "x" * 300, "nul\x00", "line\nbreak"]
    source = write_rows(tmp_path, *({"id": row_id, "prompt": "x"} for row_id in ids))
    made = run(Painter, source, tmp_path / "out")
    names = [record["content"][1]["path"] for record in made]
    assert len({name.lower() for name in names}) == len(ids)  # as some file systems compare them
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {*names, *FILES}
    assert [record["id"] for record in records(tmp_path / "out")] == ids


def test_a_plain_id_is_its_own_file_name():
    assert file_stem("cat-01_b") == "cat-01_b"


def test_seeds_differ_by_run_and_row_and_never_change():
    assert derive_seed(0, "a") == derive_seed(0, "a")
    assert len({derive_seed(run, row) for run in range(10) for row in "abcdefghij"}) == 100
    assert derive_seed(0, "a") == 232140491835332

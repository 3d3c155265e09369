"""Worker processes: the bytes of one process, and rows that end or hold up their process."""

import json
import os
import time

import pytest

from anygen.batch.shards import scheduler
from support.batches import Painter, records, rows_of, run, write_rows
from support.pages import commands
from support.paths import ROOT

pytestmark = pytest.mark.slow


class Harmful(Painter):
    """Ends its process at a prompt that says "die", and holds it up at one that says "sleep"."""

    def answer(self, request):
        prompt = str(request.messages[-1].parts[0])
        if "die" in prompt:
            os._exit(7)
        if "sleep" in prompt:
            time.sleep(600)
        return super().answer(request)


def refuse() -> Painter:
    raise ValueError("no model named 'x'")


def bytes_of(out):
    return {
        path.name: path.read_bytes()
        for path in out.rglob("*")
        if path.suffix != ".lock" and path.is_file()
    }


def test_two_workers_write_what_one_process_writes(tmp_path):
    source = write_rows(tmp_path, *rows_of(*"abcdefg"))
    run(Painter, source, tmp_path / "one", shard_size=2)
    made = run(Painter, source, tmp_path / "two", shard_size=2, workers=2, threads=1)
    assert sorted(record["id"] for record in made) == [f"r{number}" for number in range(7)]
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_rows_that_end_or_hold_up_a_worker_become_errors(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduler, "MAX_DEATHS", 1)  # a worker takes seconds
    source = write_rows(tmp_path, *rows_of("a", "die", "b", "sleep", "c"))
    run(Harmful, source, tmp_path / "out", workers=1, threads=1, batch_size=5, row_timeout=1)
    assert [(r["id"], r.get("code")) for r in records(tmp_path / "out")] == [
        ("r0", None),
        ("r1", "worker_died"),
        ("r2", None),
        ("r3", "timeout"),
        ("r4", None),
    ]


def test_a_model_that_cannot_be_loaded_is_one_sentence(tmp_path):
    source = write_rows(tmp_path, *rows_of("a"))
    with pytest.raises(ValueError, match="no model named 'x'"):
        run(refuse, source, tmp_path / "out", workers=2)


def test_the_recipes_of_the_page_run(tmp_path, saved_model, anygen_cli):
    [spread, verify] = [c.words[1:] for c in commands(ROOT / "docs" / "batch.md")][:2]
    (tmp_path / "captions.txt").write_text("a cat\na dog\n")
    limits = ["--model", str(saved_model), "--set", "steps=2", "--max-new-tokens", "4"]
    code, out, err = anygen_cli(*spread, *limits)
    assert code == 0, err
    assert [json.loads(line)["content"][0]["type"] for line in out.splitlines()] == ["image"] * 2
    code, _, err = anygen_cli(*verify[:-1], "big")
    assert (code, err) == (0, "2 rows answered, 0 failed, 1 shards, 0 problems\n")

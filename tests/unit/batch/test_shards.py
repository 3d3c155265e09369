"""Shards: whole or absent, the same bytes whatever happened on the way, and lost to nobody."""

import hashlib
import os
import random
import tarfile
from collections import deque
from pathlib import Path

import pytest

from anygen.batch.answering import Rows
from anygen.batch.rows import BatchRow
from anygen.batch.shards.finish import verify
from anygen.batch.shards.formats import FORMATS
from anygen.batch.shards.scheduler import MAX_DEATHS, MAX_EARLY_DEATHS, Scheduler
from anygen.batch.shards.tasks import plan_tasks, put_if_absent, run_shard
from anygen.batch.shards.workers import Died, Finished, Recorded, Refused
from support.batches import BatchSettings, Painter, records, rows_of, run, write_rows

KILLS = 60  # benchmarks/kill_batches.py ends real processes


class KilledError(BaseException):
    """Stands for kill -9: nothing after it runs but what releases locks."""


def tree(out):
    """The hashes of all files of a folder but the lock, which is empty."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.mark.slow
@pytest.mark.parametrize("batch_format", FORMATS)
def test_kills_at_any_point_leave_the_bytes_of_an_undisturbed_run(
    tmp_path, monkeypatch, batch_format
):
    """Each run dies at a random flush, link or removal; runs go on until one comes to its end."""
    prompts = [f"p{number}" if number % 5 else "refuse" for number in range(12)]
    source = write_rows(tmp_path, *rows_of(*prompts))
    given = {"shard_size": 5, "format": batch_format, "metadata": False, "batch_size": 2}
    run(Painter, source, tmp_path / "whole", **given)
    expected = {  # what is retried, and how often, differs
        name: digest
        for name, digest in tree(tmp_path / "whole").items()
        if name.startswith("shards/") or name.endswith(".png")
    }
    rng, left = random.Random(0), [0]

    def dying(function):
        def call(*arguments, **names):
            left[0] -= 1
            if left[0] == 0:
                raise KilledError
            return function(*arguments, **names)

        return call

    for module, name in ((os, "fsync"), (os, "link"), (Path, "unlink"), (Path, "replace")):
        monkeypatch.setattr(module, name, dying(getattr(module, name)))
    kills = finished = 0
    while kills < KILLS // len(FORMATS):
        out = tmp_path / f"out{finished}"
        left[0] = rng.randint(1, 60)
        try:
            run(Painter, source, out, **given)
        except KilledError:
            kills += 1
            continue
        left[0] = 0
        found = tree(out)
        assert {name: found.get(name) for name in expected} == expected
        assert not (out / "_tmp").exists()
        finished += 1
    assert finished


def test_the_first_of_two_commits_wins_and_both_are_whole(tmp_path):
    for number in range(2):
        (tmp_path / f"t{number}").write_text(f"from {number}")
        assert put_if_absent(tmp_path / f"t{number}", tmp_path / "shard") == (number == 0)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("shard", "from 0")]


def test_shards_are_named_after_their_first_row_and_end_at_multiples_of_their_size():
    rows = [BatchRow(f"r{number}") for number in range(10)]
    tasks = plan_tasks(rows, {row.id for row in rows if row.id not in ("r0", "r5")}, Path(), 4)
    assert [(task.name, [row.id for row in task.work.rows]) for task in tasks] == [
        ("00000001", ["r1", "r2", "r3"]),
        ("00000004", ["r4", "r6", "r7"]),
        ("00000008", ["r8", "r9"]),
    ]


def test_a_table_and_an_archive_hold_records_and_media(tmp_path):
    source = write_rows(tmp_path, *rows_of("a", "refuse"))
    for name in FORMATS:
        run(Painter, source, tmp_path / name, format=name)
    beside = records(tmp_path / "files")
    picture = (tmp_path / "files" / "r0_002_image.png").read_bytes()
    with tarfile.open(tmp_path / "webdataset" / "shards" / "00000000.tar") as archive:
        assert archive.getnames() == ["r0.json", "r0.002_image.png", "r1.json"]
        assert archive.extractfile("r0.002_image.png").read() == picture
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "parquet" / "shards" / "00000000.parquet"
    row = parquet.read_table(path).to_pylist()[0]
    assert row["content"][1]["data"] == picture
    for name in ("parquet", "webdataset"):
        [shard] = (tmp_path / name / "shards").iterdir()
        assert FORMATS[name].read(shard) == beside
        assert not (tmp_path / name / "records.jsonl").exists()


def test_a_folder_is_verified(tmp_path):
    out = tmp_path / "out"
    run(Painter, write_rows(tmp_path, *rows_of("a", "b", "refuse")), out, shard_size=1)
    manifest, problems = verify(out)
    assert (manifest["answered"], manifest["failed"], problems) == (2, 1, [])
    (out / "r0_002_image.png").write_bytes(b"x")
    (out / "r1_002_image.png").unlink()
    (out / "shards" / "00000000.jsonl").write_bytes(b"{}")
    (out / "shards" / "00000001.jsonl").unlink()
    assert verify(out)[1] == [
        "shards/00000000.jsonl: is damaged: its hash is not that of manifest.json",
        "shards/00000001.jsonl: is missing",
        "r0_002_image.png: is damaged (row r0)",
        "r1_002_image.png: is missing (row r1)",
    ]
    with pytest.raises(ValueError, match="the batch has not come to its end"):
        verify(tmp_path)


# --- what happens when workers die


class Mortal(Painter):
    """Ends its process at a prompt that says "die", and does so once at one that says "faint"."""

    def __init__(self):
        super().__init__()
        self.fainted = False

    def answer(self, request):
        prompt = str(request.messages[-1].parts[0])
        if "die" in prompt or ("faint" in prompt and not self.fainted):
            self.fainted = True
            raise KilledError
        return super().answer(request)


class OneAfterAnother:
    """A pool of one worker, in this process; a kill ends it as it would a process."""

    def __init__(self, settings, model=None, refusal=""):
        self.settings, self.model, self.refusal = settings, model, refusal
        self.tasks, self.deaths = deque(), 0

    def resize(self, waiting):
        pass

    def has_room(self):
        return not self.tasks

    def submit(self, task):
        self.tasks.append(task)

    def poll(self, seconds):
        task = self.tasks.popleft()
        if self.refusal:
            yield Refused(self.refusal)
            return
        try:
            if self.model is None:
                raise KilledError
            for record in run_shard(self.model, task, self.settings):
                yield Recorded(record)
            yield Finished(task)
        except KilledError:
            self.deaths += 1
            yield Died(task, "signal 9")


def schedule(out, prompts, model=None, refusal="", **given):
    settings = BatchSettings(out, **given)
    rows = [BatchRow.of({"id": f"r{n}", "prompt": p}, "") for n, p in enumerate(prompts)]
    pool = OneAfterAnother(settings, model, refusal)
    tasks = plan_tasks(rows, {row.id for row in rows}, Path(), 4)
    return list(Scheduler(pool, settings).run(tasks)), pool


def test_a_row_that_ends_its_workers_becomes_an_error_and_the_others_are_answered(tmp_path):
    made, pool = schedule(tmp_path, ["a", "b", "die", "c", "d", "e"], Mortal(), batch_size=4)
    by_id = {record["id"]: record for record in made}
    assert len(made) == len(by_id) == 6
    assert by_id.pop("r2")["error"] == f"it ended {MAX_DEATHS} workers: signal 9"
    assert {record["status"] for record in by_id.values()} == {"ok"}
    assert pool.deaths == MAX_DEATHS
    lines = (tmp_path / "shards" / "00000000.jsonl").read_text().splitlines()
    assert [line[8:10] for line in lines] == ["r0", "r1", "r2", "r3"]


def test_a_row_whose_worker_died_once_is_answered(tmp_path):
    made, pool = schedule(tmp_path, ["a", "faint", "b"], Mortal(), batch_size=3)
    assert [record["status"] for record in made] == ["ok"] * 3
    assert pool.deaths == 1


def test_workers_that_never_begin_end_the_batch_with_a_reason(tmp_path):
    with pytest.raises(ValueError, match="workers end before they answer anything: signal 9"):
        schedule(tmp_path, ["a"])
    assert MAX_EARLY_DEATHS > 1


def test_what_no_worker_can_do_ends_the_batch(tmp_path):
    with pytest.raises(ValueError, match="no model named x"):
        schedule(tmp_path, ["a"], refusal="no model named x")


def test_a_worker_that_helps_begins_at_the_end_and_leaves_out_what_the_other_has(tmp_path):
    settings = BatchSettings(tmp_path)
    rows = [BatchRow.of({"id": name, "prompt": name}, "") for name in "abcde"]
    [task] = plan_tasks(rows, set("abcde"), Path(), 8)
    first, second = (
        run_shard(Painter(), task, settings),
        run_shard(Painter(), task.helper(), settings),
    )
    made = [next(first), next(second), next(second), next(first), next(second)]
    assert [record["id"] for record in made] == ["a", "e", "d", "b", "c"]
    assert [*second, *first] == []
    run(Painter, write_rows(tmp_path, *(row.data for row in rows)), tmp_path / "one")
    name = "shards/00000000.jsonl"
    assert (tmp_path / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


@pytest.mark.parametrize("batch_format", FORMATS)
def test_a_shard_that_two_workers_answer_is_committed_once(tmp_path, batch_format):
    settings = BatchSettings(tmp_path, format=batch_format)
    rows = [BatchRow.of({"id": name, "prompt": name}, "") for name in "ab"]
    [task] = plan_tasks(rows, {"a", "b"}, Path(), 4)
    first = run_shard(Painter(), task, settings)
    next(first)
    list(run_shard(Painter(), task.again(), settings))
    [shard] = (tmp_path / "shards").iterdir()
    before = shard.read_bytes()
    assert list(first) == []
    assert shard.read_bytes() == before
    assert [record["id"] for record in FORMATS[batch_format].read(shard)] == ["a", "b"]
    assert Rows(rows, Path()).attempts == {}

"""Shards: a part of a batch that one worker answers, and that is in the folder whole or not at all.

    OUT/shards/00000064.jsonl     the records of rows 64 to 127; r1-00000003: of rows that failed
    OUT/_tmp/00000064.<token>     the journal of a worker: records so far, and the rows in its hands

A worker appends each record to a journal of its own, and at the end commits the shard under its
name, unless another has done so first: equal rows become equal bytes, so either may win. What a
dead worker left in its journal is taken over. The folder is all that is remembered of a batch.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from anygen.batch.answering import BatchModel, BatchSettings, Rows, answer_rows
from anygen.batch.records import BatchRecord, append_line, parse_record, record_line
from anygen.batch.rows import BatchRow
from anygen.batch.shards.formats import FORMATS

SHARDS, TEMPORARY = "shards", "_tmp"
NAME = re.compile(r"(?:r(\d+)-)?(\d{8})")


@dataclass(frozen=True)
class Task:
    """A shard to be answered, and the name of the journal of the worker that does it."""

    name: str
    work: Rows
    token: str = field(default_factory=lambda: uuid4().hex[:12])
    one_by_one: bool = False  # after a worker has died: which of the rows is it?

    def again(self) -> Task:
        return replace(self, token=uuid4().hex[:12], one_by_one=True)


def plan_tasks(rows: Sequence[BatchRow], pending: set[str], folder: Path, size: int) -> list[Task]:
    """The pending rows in shards that are named after their first row.

    Borders lie at multiples of `size`, so that a file may grow without a shard changing its name.
    """
    tasks: list[Task] = []
    part: list[BatchRow] = []
    first = 0
    for number, row in enumerate(rows):
        if number % size == 0 and part:
            tasks.append(Task(f"{first:08d}", Rows(part, folder)))
            part = []
        if row.id in pending:
            first = first if part else number
            part.append(row)
    return [*tasks, Task(f"{first:08d}", Rows(part, folder))] if part else tasks


def plan_retry(
    rows: Sequence[BatchRow], attempts: Mapping[str, int], folder: Path, size: int, number: int
) -> list[Task]:
    """The rows in `attempts`, which have failed, in shards of their own; `number` is the pass."""
    failed = [(index, row) for index, row in enumerate(rows) if row.id in attempts]
    parts = [failed[start : start + size] for start in range(0, len(failed), size)]
    return [
        Task(f"r{number}-{part[0][0]:08d}", Rows([row for _, row in part], folder, attempts))
        for part in parts
    ]


def last_pass(out: Path) -> int:
    """The number of the last pass over rows that failed, 0 if there was none."""
    names = [NAME.match(path.name) for path in (out / SHARDS).glob("r*")]
    return max((int(name[1]) for name in names if name and name[1]), default=0)


def committed(out: Path, suffix: str) -> list[Path]:
    """The shards in a folder, in the order in which later ones win."""
    found = [(NAME.match(path.name), path) for path in (out / SHARDS).glob(f"*{suffix}")]
    keyed = [((int(name[1] or 0), int(name[2])), path) for name, path in found if name]
    return [path for _, path in sorted(keyed)]


def run_shard(model: BatchModel, task: Task, settings: BatchSettings) -> Iterator[BatchRecord]:
    """Answers what no journal of the shard holds yet, and commits the shard.

    Yields each new record when it is in the journal. Raises OSError if it cannot be written.
    """
    out, journal = settings.out, journal_of(settings.out, task)
    media = media_folder(settings, task.name)
    media.mkdir(parents=True, exist_ok=True)
    known = journaled(out, task, settings)
    rows = [row for row in task.work.rows if row.id not in known]
    size = 1 if task.one_by_one else settings.batch_size
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        append_line(json.dumps({"start": [row.id for row in batch]}), journal)
        for record in answer_rows(model, replace(task.work, rows=batch), media, settings):
            append_line(record_line(record), journal)
            known[record["id"]] = record
            yield record
    commit_shard(task, [known[row.id] for row in task.work.rows], settings)


def media_folder(settings: BatchSettings, name: str) -> Path:
    """Where media are written: beside the records, or, until they are packed, in a folder."""
    return settings.out if settings.format == "files" else settings.out / TEMPORARY / name


def commit_shard(task: Task, records: Sequence[BatchRecord], settings: BatchSettings) -> None:
    shard_format = FORMATS[settings.format]
    media = media_folder(settings, task.name)
    temporary = settings.out / TEMPORARY / f"{task.name}.{task.token}.whole"
    shard_format.write(records, media, temporary)
    put_if_absent(temporary, settings.out / SHARDS / f"{task.name}{shard_format.suffix}")
    for path in journals(settings.out, task.name):
        path.unlink(missing_ok=True)
    if media != settings.out:
        for record in records:
            for part in record["content"]:
                if "path" in part:
                    (media / part["path"]).unlink(missing_ok=True)
        with suppress(OSError):  # what a killed worker left half written is still there
            media.rmdir()


def put_if_absent(temporary: Path, path: Path) -> bool:
    """Gives a whole file its name unless there is one; says whether it did. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("rb+") as stream:
        os.fsync(stream.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links; only two workers at once could collide
        if path.exists():
            return False
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


# --- journals


def journal_of(out: Path, task: Task) -> Path:
    (out / TEMPORARY).mkdir(parents=True, exist_ok=True)
    return out / TEMPORARY / f"{task.name}.{task.token}"


def journals(out: Path, name: str) -> list[Path]:
    return sorted(p for p in (out / TEMPORARY).glob(f"{name}.*") if p.suffix != ".whole")


def journaled(out: Path, task: Task, settings: BatchSettings) -> dict[str, BatchRecord]:
    """The records of a shard in all its journals, as far as their rows have not changed since."""
    rows = {row.id: row for row in task.work.rows}
    found = {}
    for record in (r for path in journals(out, task.name) for r in journal_records(path)):
        row = rows.get(record["id"])
        if row and record.items() >= settings.hashes_of(row).items():
            found[record["id"]] = record
    return found


def journal_records(path: Path) -> Iterable[BatchRecord]:
    return filter(None, map(parse_record, path.read_bytes().split(b"\n")))


def in_flight(out: Path, task: Task) -> list[str]:
    """The ids of the rows that a dead worker had begun and not finished."""
    path = journal_of(out, task)
    started: list[str] = []
    for line in path.read_bytes().split(b"\n") if path.exists() else []:
        with suppress(ValueError):
            data = json.loads(line)
            if "start" in data:
                started = list(data["start"])
            elif data.get("id") in started:
                started.remove(data["id"])
    return started

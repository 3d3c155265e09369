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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from anygen.batch.answering import BatchModel, BatchSettings, Destination, Rows, answer_rows
from anygen.batch.records import BatchRecord, append_line, record_line
from anygen.batch.rows import BatchRow
from anygen.batch.shards.formats import FORMATS
from anygen.batch.shards.journals import TEMPORARY, Journals, Task, journal_of, journals_of

SHARDS = "shards"
NAME = re.compile(r"(?:r(\d+)-)?(\d{8})")


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

    Another worker may do so at the same time: what it has answered is left out as it comes. Yields
    each new record when it is in the journal. Raises OSError if it cannot be written.
    """
    journal = journal_of(settings.out, task)
    to = Destination(media_folder(settings, task.name), journal.with_name(f"{journal.name}.media"))
    to.media.mkdir(parents=True, exist_ok=True)
    journals = Journals(task, settings)
    size = 1 if task.one_by_one else settings.batch_size
    while rows := [row for row in task.work.rows if row.id not in journals.read()]:
        if shard_of(settings, task.name).exists():
            return
        batch = rows[-size:] if task.from_end else rows[:size]
        append_line(json.dumps({"start": [row.id for row in batch]}), journal)
        for record in answer_rows(model, replace(task.work, rows=batch), to, settings):
            append_line(record_line(record), journal)
            yield record
    commit_shard(task, [journals.found[row.id] for row in task.work.rows], settings)


def shard_of(settings: BatchSettings, name: str) -> Path:
    return settings.out / SHARDS / f"{name}{FORMATS[settings.format].suffix}"


def media_folder(settings: BatchSettings, name: str) -> Path:
    """Where media lie: beside the records, or, until they are packed, in a folder."""
    return settings.out if settings.format == "files" else settings.out / TEMPORARY / name


def commit_shard(task: Task, records: Sequence[BatchRecord], settings: BatchSettings) -> None:
    shard, media = shard_of(settings, task.name), media_folder(settings, task.name)
    temporary = settings.out / TEMPORARY / f"{task.name}.{task.token}.whole"
    try:
        FORMATS[settings.format].write(records, media, temporary)
    except FileNotFoundError:
        if shard.exists():  # another worker has committed it, and removed what it had packed
            return
        raise
    put_if_absent(temporary, shard)
    for path in journals_of(settings.out, task.name):
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

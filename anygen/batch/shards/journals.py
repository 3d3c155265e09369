"""What the workers of a shard write while they answer it: a journal each, with a line per record.

A worker that goes on with a shard, or helps with it, reads the journals of all others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from anygen.batch.answering import BatchSettings, Rows
from anygen.batch.records import BatchRecord, parse_record

TEMPORARY = "_tmp"
OTHERS = (".whole", ".media")  # suffixes of what lies beside the journals


def new_token() -> str:
    return uuid4().hex[:12]


@dataclass(frozen=True)
class Task:
    """A shard to be answered, and the name of the journal of the worker that does it."""

    name: str
    work: Rows
    token: str = field(default_factory=new_token)
    one_by_one: bool = False  # after a worker has died: which of the rows is it?
    from_end: bool = False  # so as to meet another worker, which has begun at the other end

    def again(self) -> Task:
        return replace(self, token=new_token(), one_by_one=True, from_end=False)

    def helper(self) -> Task:
        return replace(self, token=new_token(), from_end=not self.from_end)


class Journals:
    """The records of a shard in all its journals, as far as their rows have not changed since."""

    def __init__(self, task: Task, settings: BatchSettings) -> None:
        self.out, self.name = settings.out, task.name
        self.hashes = {row.id: settings.hashes_of(row) for row in task.work.rows}
        self.found: dict[str, BatchRecord] = {}
        self.read_bytes: dict[Path, int] = {}  # how much of each is known

    def read(self) -> dict[str, BatchRecord]:
        """What was known, and what has been written since; an answer beats an error."""
        for path in journals_of(self.out, self.name):
            for record in self.new_records(path):
                row_id = record["id"]
                is_better = record["status"] == "ok" or row_id not in self.found
                hashes = self.hashes.get(row_id)
                if hashes and is_better and record.items() >= hashes.items():
                    self.found[row_id] = record
        return self.found

    def new_records(self, path: Path) -> Iterator[BatchRecord]:
        try:
            with path.open("rb") as stream:
                stream.seek(self.read_bytes.get(path, 0))
                whole, newline, _ = stream.read().rpartition(b"\n")
        except FileNotFoundError:  # the shard was committed
            return
        self.read_bytes[path] = self.read_bytes.get(path, 0) + len(whole) + len(newline)
        yield from filter(None, map(parse_record, whole.split(b"\n")))


def journal_of(out: Path, task: Task) -> Path:
    (out / TEMPORARY).mkdir(parents=True, exist_ok=True)
    return out / TEMPORARY / f"{task.name}.{task.token}"


def journals_of(out: Path, name: str) -> list[Path]:
    return sorted(p for p in (out / TEMPORARY).glob(f"{name}.*") if p.suffix not in OTHERS)


def journal_records(path: Path) -> list[BatchRecord]:
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    return [record for record in map(parse_record, lines) if record]


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

"""Rows to records: the one place where a batch meets the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from anygen.batch.changes import RowHashes, row_hashes
from anygen.batch.grid import Grid
from anygen.batch.records import (
    BatchRecord,
    ErrorCode,
    answer_record,
    error_record,
    is_of_disk,
    short_error,
)
from anygen.batch.rows import BatchRow, media_reader, open_row
from anygen.checkpoints.model_id import ModelId
from anygen.conversation.history import Turn
from anygen.core.modality import Modality
from anygen.generation.answer import Answer
from anygen.generation.events import FinishReason
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request, derive_seed

EMPTY: dict[FinishReason, str] = {
    "stop": "the answer is empty: the model ended it at once, or with a text in stop",
    "length": "the answer is empty: max_new_tokens or the length of the prompt leaves no room",
    "deadline": "the answer is empty: the deadline came first",
    "cancelled": "the answer is empty: it was cancelled",
    "withheld": "the answer is empty: the options rule out the medium that the model would make",
}


class BatchModel(Protocol):
    """What batch generation needs of `anygen.AnyGen`."""

    @property
    def model_id(self) -> ModelId: ...

    def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer per request. Raises ValueError if one of them cannot be answered."""


LoadModel = Callable[[], BatchModel]
AnswerRows = Callable[[Sequence[BatchRow]], Iterable[BatchRecord]]  # one for each row, in order
FormatName = Literal["files", "parquet", "webdataset"]


@dataclass(frozen=True)
class BatchSettings:
    """What applies to every row, and how the work is spread.

    Only a file of prompts is spread: in shards of `shard_size` rows, over `workers` processes, or
    in this one if that is None. A row that keeps a process busy for more than `row_timeout` seconds
    is given up; that, and to survive a row that kills its process, takes workers.
    """

    out: Path  # the folder of the records and the media
    seed: int = 0
    options: AnswerOptions = AnswerOptions()  # unless a row sets others
    modality: tuple[Modality, ...] = ()  # what answers are, unless a row says it; (): anything
    grid: Grid = Grid()  # the variants of each row
    batch_size: int = 1
    metadata: bool = True  # whether generated files record how they were made
    model: str = ""  # which one: a row that another one has answered has changed
    media_folders: tuple[Path, ...] = ()  # that rows may name media in, beside that of their file
    workers: int | None = None
    least_workers: int | None = None  # that a cluster must have room for; all, if not given
    threads: int | None = None  # of the CPU, for each worker
    shard_size: int = 64
    format: FormatName = "files"
    row_timeout: float | None = None
    media_hosts: tuple[str, ...] = ()  # from which media may be downloaded
    answer_rows: AnswerRows | None = None  # in place of the model
    engine: Literal["local", "ray"] = "local"  # whether workers are processes or actors of Ray
    ray_address: str | None = None  # of a cluster; by default one is started on this machine
    worker_gpus: float = 0  # of a Ray worker; below 1 several share one
    retries: int = 0  # of rows that failed for another reason than what they ask for

    def hashes_of(self, row: BatchRow) -> RowHashes:
        return row_hashes(row, self.seed, self.options, self.model)


@dataclass(frozen=True)
class Rows:
    """Rows to be answered together, and where their media lie."""

    rows: Sequence[BatchRow]
    folder: Path  # that the paths in the rows are relative to
    attempts: Mapping[str, int] = field(default_factory=dict)  # of rows that have failed before


@dataclass(frozen=True)
class Destination:
    """The folder of the media that are made. They get their names there when they are whole."""

    media: Path
    temporary: Path  # of this worker alone, on the same disk; it is there while media are written

    def place(self, record: BatchRecord) -> None:
        """Raises OSError."""
        paths = [part["path"] for part in record["content"] if "path" in part]
        for path in paths:
            (self.temporary / path).replace(self.media / path)
        if paths and self.temporary != self.media:
            with suppress(OSError):  # media of an answer that could not be written whole are there
                self.temporary.rmdir()


def answer_rows(
    model: BatchModel, work: Rows, to: Destination, settings: BatchSettings
) -> Iterator[BatchRecord]:
    """One record per row, in order; its media have their places before it is yielded.

    Whatever goes wrong with a row becomes its own record, and the others are answered.
    """
    if settings.answer_rows:
        for row, record in zip(work.rows, settings.answer_rows(work.rows), strict=True):
            yield {**record, **settings.hashes_of(row)}
        return
    requests: dict[str, Request] = {}
    outcomes: dict[str, Answer | Exception] = {}
    folders = (work.folder, *settings.media_folders)
    read = media_reader(folders, settings.media_hosts)
    for row in work.rows:
        try:
            requests[row.id] = open_row(row, read, settings.seed, settings.options)
        except Exception as error:
            outcomes[row.id] = error
    outcomes |= zip(requests, answer_requests(model, list(requests.values())), strict=True)
    for row in work.rows:
        request, outcome = requests.get(row.id), outcomes[row.id]
        record = record_of(model, row, request, outcome, to, settings)
        if record["status"] == "error":
            record["attempts"] = work.attempts.get(row.id, 0) + 1
        yield {**record, **settings.hashes_of(row)}


def answer_requests(model: BatchModel, requests: Sequence[Request]) -> Sequence[Answer | Exception]:
    """If a batch fails, its requests are tried one by one, so that only those at fault fail."""
    if not requests:
        return []
    try:
        return model.reply_many(requests)
    except Exception as error:
        if len(requests) == 1:
            return [error]
    # outside of the handler: the memory that the batch took is free again
    return [answer for request in requests for answer in answer_requests(model, [request])]


def record_of(  # all that a record is made of
    model: BatchModel,
    row: BatchRow,
    request: Request | None,
    outcome: Answer | Exception,
    to: Destination,
    settings: BatchSettings,
) -> BatchRecord:
    if request and isinstance(outcome, Answer):
        try:
            return finished_record(model, row.id, request, outcome, to, settings)
        except Exception as error:  # a medium cannot be written
            if is_of_disk(error):
                raise
            return error_record(row.id, request.seed, error, "failed")
    assert isinstance(outcome, Exception)
    seed = request.seed if request else derive_seed(settings.seed, row.id)
    code: ErrorCode = "invalid" if isinstance(outcome, ValueError) else "failed"
    return error_record(row.id, seed, outcome, code)


def finished_record(  # all that a record is made of
    model: BatchModel,
    row_id: str,
    request: Request,
    answer: Answer,
    to: Destination,
    settings: BatchSettings,
) -> BatchRecord:
    """The record of an answer, which also says if the answer was cut short or lacks media."""
    turn = Turn(request, answer.message, answer.finish, answer.media_info)
    model_id = model.model_id if settings.metadata else None
    record = answer_record(row_id, turn, to.temporary, model_id)
    to.place(record)
    if answer.finish != "stop":
        record["finish"] = answer.finish
    empty = "" if answer.message.parts else EMPTY[answer.finish]
    problem = "\n".join(answer.failed) or empty
    if problem:
        record["status"], record["error"] = "error", short_error(problem)
        record["code"] = "failed" if answer.failed else "empty"
    return record

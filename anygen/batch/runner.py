"""Batch generation: answers every row of a file into a folder, and continues where it stopped.

An answer depends on its row and its own seed only: the size and the order of batches, and
restarts, change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from anygen.batch.records import (
    RECORDS,
    BatchRecord,
    answer_record,
    append_record,
    error_record,
    keep_finished,
    locked,
    short_error,
)
from anygen.batch.rows import BatchRow, open_row, prompt_row
from anygen.batch.skipped import RowHashes, SkippedRows, find_skipped, row_hashes
from anygen.batch.sources import read_rows
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


@dataclass(frozen=True)
class BatchSettings:
    """What applies to every row."""

    out: Path  # the folder of records.jsonl and the media
    seed: int = 0
    options: AnswerOptions = AnswerOptions()  # unless a row sets others
    modality: tuple[Modality, ...] = ()  # what answers are, unless a row says it; (): anything
    batch_size: int = 1
    metadata: bool = True  # whether generated files record how they were made
    model: str = ""  # which one: a row that another one has answered is reported

    def hashes_of(self, row: BatchRow) -> RowHashes:
        return row_hashes(row, self.seed, self.options, self.model)


def ignore(skipped: SkippedRows) -> None:
    """An `on_skipped` that does nothing."""


def generate_file(
    load_model: Callable[[], BatchModel],
    source: Path | str,
    settings: BatchSettings,
    on_skipped: Callable[[SkippedRows], None] = ignore,
) -> Iterator[BatchRecord]:
    """Yields each new record once it is on the disk; `source` is a file of prompts, or a prompt.

    Rows with an answer are skipped, errors are tried again; `on_skipped` is called with the former
    if there are any. The model is loaded only if all ids are valid and some rows are left. Raises
    ValueError for invalid ids, a folder that another run writes to and settings that contradict the
    model's sampling, OSError if a record cannot be written.
    """
    if isinstance(source, Path):
        rows, folder = read_rows(source), source.parent
    else:
        row = prompt_row(source, settings.seed, settings.options, settings.modality)
        rows, folder = [row], Path()
    rows = [row.with_modality(settings.modality) for row in rows]
    settings.out.mkdir(parents=True, exist_ok=True)
    with locked(settings.out):
        finished = keep_finished(settings.out / RECORDS, {row.id for row in rows})
        skipped = find_skipped(rows, finished, settings.out, settings.hashes_of)
        if skipped.ids:
            on_skipped(skipped)
        rows = [row for row in rows if row.id not in finished]
        yield from run_rows(load_model, rows, folder, settings)


def run_rows(
    load_model: Callable[[], BatchModel],
    rows: Sequence[BatchRow],
    folder: Path,
    settings: BatchSettings,
) -> Iterator[BatchRecord]:
    if not rows:
        return
    model = load_model()
    settings.options.over(model.model_id.sampling)  # a mistake in all rows at once
    for start in range(0, len(rows), settings.batch_size):
        batch = rows[start : start + settings.batch_size]
        for record in run_batch(model, batch, folder, settings):
            append_record(record, settings.out / RECORDS)
            yield record


def run_batch(
    model: BatchModel, rows: Sequence[BatchRow], folder: Path, settings: BatchSettings
) -> Iterator[BatchRecord]:
    """One record per row, in order; its media are written before it is yielded.

    Whatever goes wrong with a row becomes its own record, and the others are answered.
    """
    requests: dict[str, Request] = {}
    outcomes: dict[str, Answer | Exception] = {}
    for row in rows:
        try:
            requests[row.id] = open_row(row, folder, settings.seed, settings.options)
        except Exception as error:
            outcomes[row.id] = error
    outcomes |= zip(requests, answer_requests(model, list(requests.values())), strict=True)
    for row in rows:
        yield record_of(model, row, requests.get(row.id), outcomes[row.id], settings)


def answer_requests(model: BatchModel, requests: Sequence[Request]) -> Sequence[Answer | Exception]:
    """If a batch fails, its requests are tried one by one, so that only those at fault fail."""
    try:
        return model.reply_many(requests)
    except Exception as error:
        if len(requests) == 1:
            return [error]
    # outside of the handler: the memory that the batch took is free again
    return [answer for request in requests for answer in answer_requests(model, [request])]


def record_of(
    model: BatchModel,
    row: BatchRow,
    request: Request | None,
    outcome: Answer | Exception,
    settings: BatchSettings,
) -> BatchRecord:
    if request and isinstance(outcome, Answer):
        try:
            record = finished_record(model, row.id, request, outcome, settings)
        except Exception as error:  # a medium cannot be written
            outcome = error
        else:
            return {**record, **settings.hashes_of(row)}
    assert isinstance(outcome, Exception)
    seed = request.seed if request else derive_seed(settings.seed, row.id)
    return error_record(row.id, seed, outcome)


def finished_record(
    model: BatchModel, row_id: str, request: Request, answer: Answer, settings: BatchSettings
) -> BatchRecord:
    """The record of an answer, which also says if the answer was cut short or lacks media."""
    turn = Turn(request, answer.message, answer.finish, answer.media_info)
    model_id = model.model_id if settings.metadata else None
    record = answer_record(row_id, turn, settings.out, model_id)
    if answer.finish != "stop":
        record["finish"] = answer.finish
    empty = "" if answer.message.parts else EMPTY[answer.finish]
    problem = "\n".join(answer.failed) or empty
    if problem:
        record["status"], record["error"] = "error", short_error(problem)
    return record

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
)
from anygen.batch.rows import BatchRow, open_row, prompt_row, read_rows
from anygen.checkpoints.model_id import ModelId
from anygen.conversation.history import Turn
from anygen.generation.answer import Answer
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request, derive_seed


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
    batch_size: int = 1
    metadata: bool = True  # whether generated files record how they were made


def generate_file(
    load_model: Callable[[], BatchModel], source: Path | str, settings: BatchSettings
) -> Iterator[BatchRecord]:
    """Yields each new record once it is on the disk; `source` is a JSONL file or a single prompt.

    Rows with an answer are skipped, errors are tried again. The model is loaded only if all ids are
    valid and some rows are left. Raises ValueError for invalid ids, OSError if writing fails.
    """
    if isinstance(source, Path):
        rows, folder = read_rows(source), source.parent
    else:
        rows, folder = [prompt_row(source, settings.seed, settings.options)], Path()
    settings.out.mkdir(parents=True, exist_ok=True)
    finished = keep_finished(settings.out / RECORDS, {row.id for row in rows})
    rows = [row for row in rows if row.id not in finished]
    if not rows:
        return
    model = load_model()
    for start in range(0, len(rows), settings.batch_size):
        batch = rows[start : start + settings.batch_size]
        for record in run_batch(model, batch, folder, settings):
            append_record(record, settings.out / RECORDS)
            yield record


def run_batch(
    model: BatchModel, rows: Sequence[BatchRow], folder: Path, settings: BatchSettings
) -> Iterator[BatchRecord]:
    """One record per row, in order; its media are written before it is yielded."""
    requests: dict[str, Request] = {}
    outcomes: dict[str, Answer | ValueError] = {}
    for row in rows:
        try:
            requests[row.id] = open_row(row, folder, settings.seed, settings.options)
        except ValueError as error:
            outcomes[row.id] = error
    outcomes |= zip(requests, answer_requests(model, list(requests.values())), strict=True)
    for row in rows:
        outcome, request = outcomes[row.id], requests.get(row.id)
        if isinstance(outcome, ValueError):
            seed = request.seed if request else derive_seed(settings.seed, row.id)
            yield error_record(row.id, seed, outcome)
        else:
            yield record_of(model, row.id, requests[row.id], outcome, settings)


def answer_requests(
    model: BatchModel, requests: Sequence[Request]
) -> Sequence[Answer | ValueError]:
    """If a batch fails, its requests are tried one by one, so that only those at fault fail."""
    try:
        return model.reply_many(requests)
    except ValueError as error:
        if len(requests) == 1:
            return [error]
        return [answer for request in requests for answer in answer_requests(model, [request])]


def record_of(
    model: BatchModel, row_id: str, request: Request, answer: Answer, settings: BatchSettings
) -> BatchRecord:
    """The record of an answer, which also says if the answer was cut short or lacks media."""
    turn = Turn(request, answer.message, answer.finish, answer.media_info)
    model_id = model.model_id if settings.metadata else None
    record = answer_record(row_id, turn, settings.out, model_id)
    if answer.finish != "stop":
        record["finish"] = answer.finish
    if answer.failed:
        record["status"], record["error"] = "error", "; ".join(answer.failed)
    return record

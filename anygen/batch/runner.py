"""Batch generation: answers every row of a file into a folder, and continues where it stopped.

An answer depends on its row and its own seed only: the size and the order of batches, the number of
workers, and restarts, change nothing.

`generate_file` -> tasks (shards/tasks.py: which rows are left) -> workers (shards/workers.py,
scheduler.py) -> `answer_rows` (answering.py: the model) -> `finish` (shards/finish.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from anygen.batch.answering import BatchSettings, Destination, LoadModel, Rows, answer_rows
from anygen.batch.changes import listed, refuse_changed
from anygen.batch.grid import expand
from anygen.batch.records import (
    RECORDS,
    BatchRecord,
    append_line,
    locked,
    naming_the_disk,
    read_records,
    record_line,
    write_records,
)
from anygen.batch.rows import BatchRow, prompt_row
from anygen.batch.shards.finish import SUCCESS, finish, read_state
from anygen.batch.shards.formats import FORMATS
from anygen.batch.shards.job import JOB, claim_job, threads_of
from anygen.batch.shards.journals import Journals, Task
from anygen.batch.shards.ray_pool import RayPool
from anygen.batch.shards.scheduler import Scheduler
from anygen.batch.shards.tasks import (
    committed,
    last_pass,
    plan_retry,
    plan_tasks,
    run_shard,
)
from anygen.batch.shards.workers import LocalPool, open_model
from anygen.batch.sources import read_rows
from anygen.io.media_files import printable

RETRIED = ("failed",)  # codes of errors that another try may not meet


@dataclass(frozen=True)
class BatchStart:
    """What a run finds in its folder."""

    done: int  # rows that were answered before
    pending: int  # that will be
    ids: Sequence[str] = field(default=(), compare=False)  # of all rows


def ignore(start: BatchStart) -> None:
    """An `on_start` that does nothing."""


def generate_file(
    load_model: LoadModel,
    source: Path | str,
    settings: BatchSettings,
    on_start: Callable[[BatchStart], None] = ignore,
) -> Iterator[BatchRecord]:
    """Yields each new record once it is on the disk; `source` is a file of prompts, or a prompt.

    Rows with an answer are skipped, errors are tried again; `on_start` is called with the number of
    either. The model is loaded only if the file is sound and some rows are left; with workers, each
    calls `load_model`, which must be picklable. Raises ValueError for two rows with one id, for
    rows or settings that have changed since the folder was begun, a folder that another run writes
    to, a full or read-only disk and settings that contradict the model's sampling, OSError if a
    record cannot be written for another reason.
    """
    if isinstance(source, str):
        with naming_the_disk(settings.out):
            yield from answer_prompt(load_model, source, settings, on_start)
        return
    rows = [row.with_modality(settings.modality) for row in read_rows(source)]
    rows = expand(rows, settings.grid, settings.seed)
    with naming_the_disk(settings.out), locked(settings.out):
        yield from answer_file(load_model, Rows(rows, source.parent), settings, on_start)


def answer_prompt(
    load_model: LoadModel,
    prompt: str,
    settings: BatchSettings,
    on_start: Callable[[BatchStart], None],
) -> Iterator[BatchRecord]:
    """A prompt is a line more in records.jsonl: many may share a folder, whatever their options."""
    row = prompt_row(prompt, settings.seed, settings.options, settings.modality)
    rows = expand([row.with_modality(settings.modality)], settings.grid, settings.seed)
    path = settings.out / RECORDS
    with locked(settings.out):
        before = read_records(path)
        done = {r["id"]: r for r in before if r["status"] == "ok" and is_whole(r, settings)}
        refuse_changed(rows, done, settings.hashes_of)
        pending = [row for row in rows if row.id not in done]
        ids = [row.id for row in rows]
        on_start(BatchStart(len(rows) - len(pending), len(pending), ids))
        if not pending:
            return
        model = load_model()
        settings.options.over(model.model_id.sampling)  # a mistake in every answer
        again = {row.id for row in pending}
        write_records([record for record in before if record["id"] not in again], path)
        for start in range(0, len(pending), settings.batch_size):
            work = Rows(pending[start : start + settings.batch_size], Path())
            to = Destination(settings.out, settings.out)
            for record in answer_rows(model, work, to, settings):
                append_line(record_line(record), path)
                yield record


def answer_file(
    load_model: LoadModel,
    work: Rows,
    settings: BatchSettings,
    on_start: Callable[[BatchStart], None],
) -> Iterator[BatchRecord]:
    rows, out = work.rows, settings.out
    if (out / JOB).exists():
        claim_job(settings)
    state = read_state(settings)
    done = {r["id"]: r for r in state.values() if r["status"] == "ok" and is_whole(r, settings)}
    refuse_changed(rows, done, settings.hashes_of)
    tasks = plan(work, state, done.keys(), settings)
    refuse_moved(rows, tasks, settings)
    taken_over: dict[str, BatchRecord] = {}  # records of shards that a killed run had begun
    for task in tasks:
        taken_over |= Journals(task, settings).read()
    failed_before = [r for r in taken_over.values() if r["status"] == "error"]
    answered = len(taken_over) - len(failed_before)
    known = sum(row.id in done for row in rows) + answered
    pending = sum(len(task.work.rows) for task in tasks) - answered
    on_start(BatchStart(known, pending, [row.id for row in rows]))
    if tasks:
        claim_job(settings)
        (out / SUCCESS).unlink(missing_ok=True)
        yield from failed_before
        yield from run_tasks(load_model, tasks, settings, taken_over)
        for _ in range(settings.retries):
            state = read_state(settings)
            failed = {
                row.id: state[row.id].get("attempts", 1)
                for row in rows
                if state[row.id].get("code") in RETRIED
            }
            number = last_pass(out) + 1
            tasks = plan_retry(rows, failed, work.folder, settings.shard_size, number)
            yield from run_tasks(load_model, tasks, settings)
    if tasks or (out / JOB).exists():
        finish(rows, settings)


def plan(
    work: Rows, state: dict[str, BatchRecord], done: Iterable[str], settings: BatchSettings
) -> list[Task]:
    """The shards of rows that no run has tried, and then of those that failed before."""
    new = {row.id for row in work.rows if row.id not in state}
    failed = {
        row.id: state[row.id].get("attempts", 0)
        for row in work.rows
        if row.id in state and row.id not in done
    }
    size = settings.shard_size
    number = last_pass(settings.out) + 1
    return [
        *plan_tasks(work.rows, new, work.folder, size),
        *plan_retry(work.rows, failed, work.folder, size, number),
    ]


def refuse_moved(rows: Sequence[BatchRow], tasks: Sequence[Task], settings: BatchSettings) -> None:
    """Raises ValueError if the file has lost rows, or has new ones between those of before."""
    paths = committed(settings.out, FORMATS[settings.format].suffix)
    ids = {row.id for row in rows}
    lost = [r["id"] for path in paths for r in FORMATS[settings.format].read(path)]
    lost = [row_id for row_id in dict.fromkeys(lost) if row_id not in ids]
    if lost:
        raise ValueError(
            f"{printable(settings.out)}: holds rows that this file does not have "
            f"({listed(lost)}): choose another --out"
        )
    names = {path.stem for path in paths}
    moved = [task.work.rows[0].id for task in tasks if task.name in names]
    if moved:
        raise ValueError(
            f"{moved[0]}: this row stands where another one was before; new rows go to the end of "
            "the file, or choose another --out"
        )


def is_whole(record: BatchRecord, settings: BatchSettings) -> bool:
    """Whether the files of an answer are there."""
    if settings.format != "files":
        return True
    return all(
        (settings.out / part["path"]).is_file() for part in record["content"] if "path" in part
    )


def run_tasks(
    load_model: LoadModel, tasks: Sequence[Task], settings: BatchSettings, known: Iterable[str] = ()
) -> Iterator[BatchRecord]:
    """Answers shards by workers, or in this process if there are to be none.

    `known` are ids whose records are in journals, and are not yielded.
    """
    if not tasks:
        return
    threads = settings.threads or threads_of(settings.out)
    if settings.workers is None:
        settings = replace(settings, threads=threads)
        model = open_model(load_model, settings)
        for task in tasks:
            yield from run_shard(model, task, settings)
        return
    is_local = settings.engine == "local"
    cores = os.cpu_count() if settings.ray_address is None else None  # a cluster has its own
    spread = replace(settings, threads=threads or max(1, (cores or 1) // settings.workers))
    pool = LocalPool(load_model, spread) if is_local else RayPool(load_model, spread)
    try:
        yield from Scheduler(pool, settings, known).run(tasks)
    finally:
        pool.close()

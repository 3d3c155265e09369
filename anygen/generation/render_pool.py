"""Renders media in threads of its own, while the consumer continues."""

import queue
import threading
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import nn

from anygen.core.media import Media
from anygen.core.modality import MediaModality
from anygen.model.decoder_cache import LazyDecoders
from anygen.numerics.single_thread import has_single_threads, use_single_thread
from decoders.base import Decoder, RenderRequest, is_sampled_alone

Ticket = Hashable  # names a medium: chosen by the caller, unique while it is open
MAX_ROWS = 8  # that an accelerator samples together, or a CPU side by side
SMALL = 50_000_000  # parameters of a decoder whose layers are too small to share among threads


@dataclass(frozen=True)
class Progress:
    """Denoising steps that are done. A row that is tried again counts from one again."""

    step: int
    total: int


@dataclass(frozen=True, eq=False)
class Preview:
    """The medium that the steps so far amount to."""

    medium: Media


@dataclass(frozen=True, eq=False)
class Failed:
    """The decoder could not render it."""

    error: Exception


Result = Progress | Preview | Media | Failed


@dataclass(frozen=True, eq=False)
class Row:
    """One medium of a batch. Rows are compared by identity: a closed ticket may be used again."""

    ticket: Ticket
    task: RenderRequest


@dataclass(frozen=True, eq=False)
class Job:
    """The media of one call of `submit`, and the number of torch's threads that render them."""

    modality: MediaModality
    rows: Sequence[Row]
    threads: int


@dataclass(frozen=True, eq=False)
class SingleRow:
    """A row that one thread renders, and the hold on its decoder, which ends with it."""

    decoder: Decoder
    row: Row
    hold: ExitStack


class RenderingPool:
    """Renders media in the order in which they were submitted.

    On a CPU the pictures and sounds of a small decoder are rendered side by side, each by one
    thread (see `is_one_threads_work`); everything else is one job after the other, with all
    threads.

    All methods are for one thread, the consumer's; `cancel` and `end_wait` are for any. Between
    consumer and workers there are only queues and atomic steps of a dictionary: wherever Ctrl-C
    interrupts the consumer, no lock is left behind. What it interrupts may lose results, so cancel
    what is open then; the pool remains usable.
    """

    def __init__(self, decoders: LazyDecoders) -> None:
        self._decoders = decoders
        self._open: dict[Ticket, Row] = {}
        self._inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()  # None: no more come
        self._single: queue.SimpleQueue[SingleRow | None] = queue.SimpleQueue()
        # None: the consumer is to wait no longer
        self._outbox: queue.SimpleQueue[tuple[Row, Result | None] | None] = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._work, name="rendering", daemon=True)
        self._worker.start()
        self._row_workers: list[threading.Thread] = []

    def submit(self, modality: MediaModality, tasks: Mapping[Ticket, RenderRequest]) -> None:
        """Queues media; an accelerator renders those of equal `batch_key` together."""
        assert self._worker.is_alive(), "the pool is closed"
        assert self._open.keys().isdisjoint(tasks), "a ticket is still open"
        rows = [Row(ticket, task) for ticket, task in tasks.items()]
        self._open |= {row.ticket: row for row in rows}
        # torch keeps a number of threads per thread; a new one begins with the process's latest
        self._inbox.put(Job(modality, rows, torch.get_num_threads()))

    def cancel(self, ticket: Ticket) -> None:
        """Ends the ticket; the rest of its batch is rendered.

        A batch without an open ticket ends within one denoising step. A ticket that is not open is
        ignored.
        """
        row = self._open.pop(ticket, None)
        if row:
            self._outbox.put((row, None))  # wakes a consumer that waits for nothing else

    def results(self, wait: bool) -> list[tuple[Ticket, Result]]:
        """All results since the last call; with `wait` at least one, if a ticket is open.

        A medium or Failed is the last of its ticket, and closes it. After `end_wait` there may be
        none.
        """
        found: list[tuple[Ticket, Result]] = []
        while True:
            try:
                arrived = self._outbox.get(block=wait and bool(self._open) and not found)
            except queue.Empty:
                return found
            if arrived is None:
                wait = False
            else:
                found += self._deliver(*arrived)

    def end_wait(self) -> None:
        """Ends the wait of `results`, the present one or the next."""
        self._outbox.put(None)

    def close(self) -> None:
        """Cancel everything, and wait for the workers to end."""
        self._open.clear()
        self._inbox.put(None)
        self._worker.join()
        for _ in self._row_workers:
            self._single.put(None)
        for worker in self._row_workers:
            worker.join()

    def __enter__(self) -> "RenderingPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _deliver(self, row: Row, result: Result | None) -> Iterator[tuple[Ticket, Result]]:
        if result is None or not self._is_open(row):
            return
        if not isinstance(result, Progress | Preview):
            self._open.pop(row.ticket, None)
        yield row.ticket, result

    def _is_open(self, row: Row) -> bool:
        return self._open.get(row.ticket) is row

    # The methods below run in the workers.

    def _work(self) -> None:
        with torch.inference_mode():
            while job := self._inbox.get():
                torch.set_num_threads(job.threads)
                self._render_job(job)

    def _work_on_rows(self) -> None:
        use_single_thread()
        with torch.inference_mode():
            while single := self._single.get():
                with single.hold:
                    self._render(single.decoder, [single.row])

    def _render_job(self, job: Job) -> None:
        if not self._still_open(job.rows):
            return  # without loading the decoder
        try:
            with self._decoders.hold(job.modality):
                decoder = self._decoders[job.modality]
                for batch in batches(self._grouped(decoder, job.rows)):
                    if is_one_threads_work(decoder, job.modality, batch):
                        self._hand_over(decoder, job, *batch)
                    else:
                        self._render(decoder, batch)
        except Exception as error:  # whatever it is, others still wait for their media
            self._fail(job.rows, error)

    def _hand_over(self, decoder: Decoder, job: Job, row: Row) -> None:
        """Gives it to one of as many threads as the caller computes with, started as needed."""
        hold = ExitStack()
        hold.enter_context(self._decoders.hold(job.modality))
        self._single.put(SingleRow(decoder, row, hold))
        if len(self._row_workers) < min(job.threads, MAX_ROWS):
            worker = threading.Thread(target=self._work_on_rows, name="row", daemon=True)
            worker.start()
            self._row_workers.append(worker)

    def _grouped(self, decoder: Decoder, rows: Sequence[Row]) -> list[list[Row]]:
        """By `batch_key`, in the order in which the keys first appear."""
        groups: dict[Hashable, list[Row]] = {}
        for row in rows:
            try:
                groups.setdefault(decoder.batch_key(row.task), []).append(row)
            except Exception as error:
                self._fail([row], error)
        return list(groups.values())

    def _render(self, decoder: Decoder, batch: Sequence[Row]) -> None:
        """A batch that fails is made again row by row, so that only the row at fault fails."""
        rows = self._still_open(batch)
        if not rows:
            return
        try:
            self._sample(decoder, rows)
        except Exception as error:  # cancelled, or the decoder's own fault
            if len(rows) == 1:
                self._fail(rows, error)
                return
        else:
            return
        for row in rows:  # outside the handler, where the memory of the batch is free again
            self._render(decoder, [row])

    def _sample(self, decoder: Decoder, rows: Sequence[Row]) -> None:
        def on_step(step: int, total: int) -> None:
            for row in rows:
                self._outbox.put((row, Progress(step, total)))

        def cancelled() -> bool:
            return not self._still_open(rows)

        media = decoder.sample([self._shown(row) for row in rows], on_step, cancelled)
        for row, medium in zip(rows, media, strict=True):
            self._outbox.put((row, medium))

    def _shown(self, row: Row) -> RenderRequest:
        """The request of a row, whose previews are results."""

        def on_preview(medium: Media) -> None:
            self._outbox.put((row, Preview(medium)))

        return replace(row.task, on_preview=on_preview) if row.task.previews else row.task

    def _fail(self, rows: Sequence[Row], error: Exception) -> None:
        for row in rows:
            self._outbox.put((row, Failed(error)))

    def _still_open(self, rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if self._is_open(row)]


def is_one_threads_work(decoder: Decoder, modality: MediaModality, batch: Sequence[Row]) -> bool:
    """Whether a row is rendered by one thread, beside others.

    Two threads render one picture of a small decoder hardly faster than one does, and two pictures
    beside each other in little more time than one. The frames of a video keep all threads busy.
    This depends on nothing but the decoder, so a row has the same bits in any company.
    """
    if modality == "video" or not is_sampled_alone(batch[0].task) or not has_single_threads():
        return False
    return sum(parameter.numel() for parameter in cast(nn.Module, decoder).parameters()) < SMALL


def batches(groups: Iterable[Sequence[Row]]) -> Iterator[Sequence[Row]]:
    """At most MAX_ROWS each; one on a CPU."""
    for group in groups:
        size = 1 if is_sampled_alone(group[0].task) else MAX_ROWS
        for start in range(0, len(group), size):
            yield group[start : start + size]

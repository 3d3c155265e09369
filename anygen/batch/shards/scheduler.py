"""Which worker gets which shard, and what happens when one dies.

A row that has ended MAX_DEATHS workers while it was alone in their hands becomes an error, and so
does one that takes longer than `row_timeout`. All other rows of its shard are answered.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence

from anygen.batch.answering import BatchSettings
from anygen.batch.records import BatchRecord, ErrorCode, append_line, error_record, record_line
from anygen.batch.shards.tasks import Task, in_flight, journal_of
from anygen.batch.shards.workers import Died, Finished, Pool, Recorded, Refused
from anygen.generation.request import derive_seed

MAX_DEATHS = 3  # of workers with the same row in their hands
MAX_EARLY_DEATHS = 5  # of workers before they had begun any row
POLL_SECONDS = 0.5


class Scheduler:
    def __init__(self, pool: Pool, settings: BatchSettings) -> None:
        self.pool, self.settings = pool, settings
        self.running: dict[str, Task] = {}  # by token
        self.deaths: Counter[str] = Counter()  # by row
        self.early_deaths = 0
        self.progress: dict[str, tuple[int, float]] = {}  # size of the journal, since when
        self.late: set[str] = set()  # tokens of tasks that were ended for taking too long

    def run(self, tasks: Sequence[Task]) -> Iterator[BatchRecord]:
        """Yields records as they come. Raises ValueError if no worker can do its work."""
        queue = deque(tasks)
        while queue or self.running:
            while queue and self.pool.has_room():
                task = queue.popleft()
                self.running[task.token] = task
                self.pool.submit(task)
            for event in self.pool.poll(POLL_SECONDS):
                match event:
                    case Recorded(record):
                        yield record
                    case Finished(task):
                        del self.running[task.token]
                    case Refused(error):
                        raise ValueError(error)
                    case Died(task, reason):
                        del self.running[task.token]
                        yield from self.bury(task, reason)
                        queue.appendleft(task.again())
            self.end_late_workers()

    def bury(self, task: Task, reason: str) -> Iterator[BatchRecord]:
        """Decides on the rows that a dead worker had begun."""
        rows = in_flight(self.settings.out, task)
        is_late = task.token in self.late
        if not rows:
            self.early_deaths += 1
            if self.early_deaths >= MAX_EARLY_DEATHS:
                raise ValueError(f"workers end before they answer anything: {reason}")
        self.deaths.update(rows)
        if len(rows) == 1 and (is_late or self.deaths[rows[0]] >= MAX_DEATHS):
            record = self.given_up(task, rows[0], reason, "timeout" if is_late else "worker_died")
            append_line(record_line(record), journal_of(self.settings.out, task))
            yield record

    def given_up(self, task: Task, row_id: str, reason: str, code: ErrorCode) -> BatchRecord:
        settings = self.settings
        error = ValueError(
            f"it takes more than {settings.row_timeout:g} seconds"
            if code == "timeout"
            else f"it ended {self.deaths[row_id]} workers: {reason}"
        )
        [row] = [row for row in task.work.rows if row.id == row_id]
        record = error_record(row_id, derive_seed(settings.seed, row_id), error, code)
        record["attempts"] = task.work.attempts.get(row_id, 0) + 1
        return {**record, **settings.hashes_of(row)}

    def end_late_workers(self) -> None:
        """Ends workers whose journal has not grown in the time that their rows are given.

        The clock runs from what this process sees: those of other machines need not agree.
        """
        limit = self.settings.row_timeout
        if limit is None:
            return
        for task in self.running.values():
            path, now = journal_of(self.settings.out, task), time.monotonic()
            size = path.stat().st_size if path.exists() else 0
            before, since = self.progress.get(task.token, (-1, now))
            if size != before:
                self.progress[task.token] = size, now
            elif now - since > limit * max(1, len(in_flight(self.settings.out, task))) and size:
                self.late.add(task.token)
                self.pool.kill(task)

"""Which worker gets which shard, and what happens when one dies.

A row that has ended MAX_DEATHS workers while it was alone in their hands becomes an error, and so
does one that takes longer than `row_timeout`. All other rows of its shard are answered.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from anygen.batch.answering import BatchSettings
from anygen.batch.records import BatchRecord, ErrorCode, append_line, error_record, record_line
from anygen.batch.shards.formats import FORMATS
from anygen.batch.shards.journals import Task, in_flight, journal_of, journal_records
from anygen.batch.shards.tasks import shard_of
from anygen.batch.shards.workers import Died, Event, Finished, Pool, Recorded, Refused
from anygen.generation.request import derive_seed

MAX_DEATHS = 3  # of workers with the same row in their hands
MAX_EARLY_DEATHS = 5  # of workers, one after the other, that had begun no row
POLL_SECONDS = 0.5


class Scheduler:
    """Gives shards to the workers of a pool. `known` are ids whose records are not to be yielded.

    When no shard waits any more, idle workers help with those that others have: the last shard, and
    a machine that has become slow, hold nothing up.
    """

    def __init__(
        self,
        pool: Pool,
        settings: BatchSettings,
        known: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,  # in seconds
    ) -> None:
        self.pool, self.settings, self.clock = pool, settings, clock
        self.queue: deque[Task] = deque()
        self.running: dict[str, Task] = {}  # by token
        self.reported = set(known)  # ids whose record was yielded: two workers may answer one row
        self.deaths: Counter[str] = Counter()  # by row
        self.early_deaths = 0  # since the last record
        self.progress: dict[str, tuple[int, float]] = {}  # size of the journal, since when
        self.late: set[str] = set()  # tokens of tasks that were ended for taking too long

    def run(self, tasks: Sequence[Task]) -> Iterator[BatchRecord]:
        """Yields the record of each row once. Raises ValueError if no worker can do its work."""
        self.queue.extend(tasks)
        while self.queue or self.running:
            self.assign()
            for event in self.pool.poll(POLL_SECONDS):
                for record in self.handle(event):
                    if record["id"] not in self.reported:
                        self.reported.add(record["id"])
                        yield record
            self.end_late_workers()

    def assign(self) -> None:
        alone = self.alone()
        self.pool.resize(len(self.queue) + len(alone))
        while (self.queue or alone) and self.pool.has_room():
            task = self.queue.popleft() if self.queue else alone.popleft().helper()
            self.running[task.token] = task
            self.pool.submit(task)

    def alone(self) -> deque[Task]:
        """Shards of several rows that one worker has; the longest first."""
        names = Counter(task.name for task in self.running.values())
        running = self.running.values()
        return deque(t for t in running if names[t.name] == 1 and len(t.work.rows) > 1)

    def handle(self, event: Event) -> Iterable[BatchRecord]:
        match event:
            case Recorded(record):
                self.early_deaths = 0
                return [record]
            case Finished(task):
                self.early_deaths = 0
                self.running = {t: o for t, o in self.running.items() if o.name != task.name}
                return self.unreported(task)
            case Refused(error):
                raise ValueError(error)
            case Died(task, reason) if self.running.pop(task.token, None):
                records = list(self.bury(task, reason))
                if all(other.name != task.name for other in self.running.values()):
                    self.queue.appendleft(task.again())
                return records
        return []

    def unreported(self, task: Task) -> Sequence[BatchRecord]:
        """The records of a shard if there are some that nobody has reported."""
        if self.reported.issuperset(row.id for row in task.work.rows):
            return []
        return FORMATS[self.settings.format].read(shard_of(self.settings, task.name))

    def bury(self, task: Task, reason: str) -> Iterator[BatchRecord]:
        """Its records that were not reported, and decisions on the rows that it had begun."""
        yield from journal_records(journal_of(self.settings.out, task))
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
            path, now = journal_of(self.settings.out, task), self.clock()
            size = path.stat().st_size if path.exists() else 0
            before, since = self.progress.get(task.token, (-1, now))
            if size != before:
                self.progress[task.token] = size, now
            elif now - since > limit * max(1, len(in_flight(self.settings.out, task))) and size:
                self.late.add(task.token)
                self.pool.kill(task)

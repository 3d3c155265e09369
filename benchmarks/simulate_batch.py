"""A cluster of many machines in one process and on a clock of its own: how long does a batch take?

    python benchmarks/simulate_batch.py

The planner, the scheduler, the shards with their journals and the commits are those of `anygen
generate`; only time, machines and the model are simulated. Machines may be slow, may die in the
middle of a row, and may be taken for dead while they go on. A row that two machines have in their
hands is answered by the first, and the second takes the next. Prints seconds of the clock.
"""

from __future__ import annotations

import heapq
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from anygen.batch.answering import BatchSettings
from anygen.batch.records import BatchRecord
from anygen.batch.rows import BatchRow
from anygen.batch.shards.journals import Task
from anygen.batch.shards.scheduler import Scheduler
from anygen.batch.shards.tasks import plan_tasks, run_shard
from anygen.batch.shards.workers import Died, Event, Finished, Recorded
from anygen.checkpoints.model_id import ModelId
from anygen.core.media import Message
from anygen.generation.answer import Answer

ROW_SECONDS, LOAD_SECONDS = 10.0, 60.0  # of a row, and of a machine until it has its model


class KilledError(BaseException):
    """Ends a worker in the middle of a row, as the end of its machine does."""


class EchoModel:
    """Answers at once; the cluster decides how long that took."""

    model_id = ModelId("echo", "0" * 64)

    def __init__(self) -> None:
        self.is_dying = False

    def reply_many(self, requests):
        if self.is_dying:
            raise KilledError
        return [Answer(Message("assistant", (f"{r.seed:x}",)), "stop") for r in requests]


@dataclass
class Machine:
    """`lives` and `leases` are the seconds after which it dies, or is taken for dead: once each."""

    slowness: float = 1.0
    lives: float = float("inf")
    leases: float = float("inf")
    busy_until: float = LOAD_SECONDS
    task: Task | None = None  # None: it is idle, or the scheduler takes it for dead
    steps: Iterator[BatchRecord] | None = None  # what it is at
    name: str = ""  # of its shard
    rows: int = 0  # of its shard


@dataclass
class Cluster:
    """A pool of workers, one a machine, on a simulated clock."""

    settings: BatchSettings
    machines: Sequence[Machine]
    model: EchoModel = field(default_factory=EchoModel)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.numbers = count()  # machines at the same moment come in the order of their submission
        self.events: list[tuple[float, int, Machine]] = []
        self.answered: dict[str, set[str]] = {}  # the rows of each shard that were answered

    def resize(self, waiting: int) -> None:
        """The machines are as many as they are."""

    def has_room(self) -> bool:
        return any(machine.steps is None for machine in self.machines)

    def submit(self, task: Task) -> None:
        idle = [machine for machine in self.machines if machine.steps is None]
        machine = min(idle, key=lambda machine: machine.busy_until)
        machine.task, machine.steps = task, run_shard(self.model, task, self.settings)
        machine.name, machine.rows = task.name, len(task.work.rows)
        self.plan_next_row(machine)

    def plan_next_row(self, machine: Machine) -> None:
        """Or the commit, which takes no time."""
        start = max(self.now, machine.busy_until)
        is_last = len(self.answered.setdefault(machine.name, set())) == machine.rows
        machine.busy_until = start + (0 if is_last else ROW_SECONDS * machine.slowness)
        heapq.heappush(self.events, (machine.busy_until, next(self.numbers), machine))

    def poll(self, seconds: float) -> Iterator[Event]:
        if not self.events or self.events[0][0] > self.now + seconds:
            self.now += seconds
            return
        self.now, _, machine = heapq.heappop(self.events)
        if machine.lives <= self.now:
            yield from self.die(machine)
        else:
            if machine.leases <= self.now and machine.task:
                machine.leases = float("inf")
                yield Died(machine.task, "the connection was lost")
                machine.task = None
            yield from self.step(machine)

    def step(self, machine: Machine) -> Iterator[Event]:
        assert machine.steps
        task, record = machine.task, next(machine.steps, None)
        if record is None:
            machine.steps = machine.task = None
            if task:
                yield Finished(task)
            return
        self.answered[machine.name].add(record["id"])
        self.plan_next_row(machine)
        if task:
            yield Recorded(record)

    def die(self, machine: Machine) -> Iterator[Event]:
        """With a row in its hands; a new machine takes its place, and loads the model."""
        assert machine.steps
        self.model.is_dying = True
        try:
            next(machine.steps, None)
        except KilledError:
            pass
        finally:
            self.model.is_dying = False
        task, machine.task, machine.steps = machine.task, None, None
        machine.lives, machine.busy_until = float("inf"), self.now + LOAD_SECONDS
        if task:
            yield Died(task, "the machine has ended")

    def kill(self, task: Task) -> None:
        for machine in self.machines:
            if machine.task == task:
                machine.lives = self.now

    def close(self) -> None:
        """What still runs is ended with the cluster."""


class WithoutHelp(Scheduler):
    """For comparison: a shard belongs to one worker alone."""

    def alone(self):
        return super().alone().__class__()


@dataclass(frozen=True)
class Outcome:
    seconds: float  # until every shard was committed
    ids: Sequence[str]  # of the records that were yielded


def simulate(
    settings: BatchSettings, rows: int, machines: Sequence[Machine], scheduler=Scheduler
) -> Outcome:
    """Answers so many rows into the folder of the settings, as `anygen generate` plans it."""
    batch = [BatchRow.of({"id": f"r{n:05d}", "prompt": "x"}, "") for n in range(rows)]
    tasks = plan_tasks(batch, {row.id for row in batch}, settings.out, settings.shard_size)
    cluster = Cluster(settings, machines)
    made = list(scheduler(cluster, settings, clock=lambda: cluster.now).run(tasks))
    ids = [record["id"] for record in made]
    return Outcome(cluster.now, ids)


def faulty(number: int, seed: int, seconds: float) -> list[Machine]:
    """Machines of which one in 16 is 10 times as slow, and in the given time one in 4 dies, and one
    in 4 is taken for dead."""
    rng = random.Random(seed)
    machines = [Machine(10.0 if n % 16 == 0 else 1.0) for n in range(number)]
    for machine in rng.sample(machines, number // 4):
        machine.lives = rng.uniform(LOAD_SECONDS, seconds)
    for machine in rng.sample(machines, number // 4):
        machine.leases = rng.uniform(LOAD_SECONDS, seconds)
    return machines


def main() -> None:
    number, rows = 64, 4096
    ideal = LOAD_SECONDS + rows / number * ROW_SECONDS
    print(f"{rows} rows, {number} machines; without any fault and any rest {ideal:.0f} s")
    for shard_size in (16, 64):
        for scheduler in (WithoutHelp, Scheduler):
            for name in ("equal", "faulty"):
                equal = [Machine() for _ in range(number)]
                machines = equal if name == "equal" else faulty(number, 0, ideal)
                with tempfile.TemporaryDirectory() as out:
                    settings = BatchSettings(Path(out), shard_size=shard_size)
                    outcome = simulate(settings, rows, machines, scheduler)
                print(
                    f"{name} machines, shards of {shard_size}, {scheduler.__name__}: "
                    f"{outcome.seconds:.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()

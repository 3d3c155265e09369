"""Processes of this machine that answer shards. Each loads the model, and takes one at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol

from anygen.batch.answering import BatchModel, BatchSettings, LoadModel
from anygen.batch.records import BatchRecord, naming_the_disk
from anygen.batch.shards.job import claim_machine
from anygen.batch.shards.journals import Task
from anygen.batch.shards.tasks import run_shard
from anygen.core.schema import explain

STOP_SECONDS = 5


@dataclass(frozen=True)
class Recorded:
    """As it comes. A pool may leave this out: the records are in the shard, too."""

    record: BatchRecord


@dataclass(frozen=True)
class Finished:
    task: Task


@dataclass(frozen=True)
class Died:
    """A worker has ended in the middle of a shard."""

    task: Task
    reason: str  # such as `signal 9`


@dataclass(frozen=True)
class Refused:
    """Something that no other worker would do better: the model, the folder, the disk."""

    error: str


Event = Recorded | Finished | Died | Refused


class Pool(Protocol):
    """Workers, on this machine or elsewhere, that share the output folder."""

    def resize(self, waiting: int) -> None:
        """How many shards wait: a pool may begin workers for them, and end those with no work."""

    def has_room(self) -> bool:
        """Whether a shard that is submitted is begun at once."""

    def submit(self, task: Task) -> None: ...

    def poll(self, seconds: float) -> Iterator[Event]:
        """What has happened, after at most so many seconds."""

    def kill(self, task: Task) -> None:
        """Ends the worker of a task; that it has died is an event of the next `poll`."""

    def close(self) -> None: ...


def answer_shards(connection: Connection, load: LoadModel, settings: BatchSettings) -> None:
    """The main function of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        model = open_model(load, settings)
        while True:
            task = connection.recv()
            with naming_the_disk(settings.out):
                for record in run_shard(model, task, settings):
                    connection.send(Recorded(record))
            connection.send(Finished(task))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        with suppress(OSError):
            connection.send(Refused(explain(error)))


def open_model(load: LoadModel, settings: BatchSettings) -> BatchModel:
    """The model, on the threads that the settings name, if it is that of the folder."""
    import torch

    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    model = load()
    settings.options.over(model.model_id.sampling)  # a mistake in all rows at once
    claim_machine(model, settings)
    return model


def end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class LocalPool:
    """`workers` processes, which are started anew when they die."""

    def __init__(self, load: LoadModel, settings: BatchSettings) -> None:
        self.load, self.settings = load, settings
        self.context = multiprocessing.get_context("spawn")
        self.workers: dict[Connection, BaseProcess] = {}
        self.tasks: dict[Connection, Task] = {}
        assert settings.workers
        self.size = settings.workers

    def resize(self, waiting: int) -> None:
        """Workers begin with their first shard, and end with the pool."""

    def has_room(self) -> bool:
        return len(self.tasks) < self.size

    def submit(self, task: Task) -> None:
        idle = [connection for connection in self.workers if connection not in self.tasks]
        connection = idle[0] if idle else self.start()
        self.tasks[connection] = task
        with suppress(OSError):  # it has just died, which the next poll finds
            connection.send(task)

    def start(self) -> Connection:
        ours, theirs = self.context.Pipe()
        process = self.context.Process(
            target=answer_shards, args=(theirs, self.load, self.settings), daemon=True
        )
        process.start()
        theirs.close()
        self.workers[ours] = process
        return ours

    def poll(self, seconds: float) -> Iterator[Event]:
        for ready in wait(list(self.tasks), seconds):
            assert isinstance(ready, Connection)
            try:
                event = ready.recv()
            except (EOFError, OSError):
                yield self.buried(ready)
                continue
            if isinstance(event, Finished):
                del self.tasks[ready]
            yield event

    def buried(self, connection: Connection) -> Died:
        process = self.workers.pop(connection)
        connection.close()
        process.join()
        code = process.exitcode or 0
        reason = f"signal {-code}" if code < 0 else f"exit code {code}"
        return Died(self.tasks.pop(connection), reason)

    def kill(self, task: Task) -> None:
        for connection, running in self.tasks.items():
            if running == task:
                self.workers[connection].kill()

    def close(self) -> None:
        for process in self.workers.values():
            process.kill()
        for process in self.workers.values():
            process.join(STOP_SECONDS)

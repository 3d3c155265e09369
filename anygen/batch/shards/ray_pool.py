"""Workers on a Ray cluster: actors that answer shards into the folder that all machines share.

Ray counts and restarts actors; which rows are left, and which of them end their actor, is decided
by the scheduler, as for processes of one machine. No medium passes through Ray's object store.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from anygen.batch.answering import BatchModel, BatchSettings, LoadModel
from anygen.batch.records import naming_the_disk
from anygen.batch.shards.journals import Task
from anygen.batch.shards.tasks import run_shard
from anygen.batch.shards.workers import Died, Event, Finished, Refused, open_model
from anygen.core.schema import explain
from anygen.core.version import DISTRIBUTION

CONNECT_SECONDS = 5.0
PLACE_SECONDS = 300.0  # that a cluster has for the workers; a machine that it adds takes minutes
MAX_FAILED_STARTS = 3  # of actors, one after the other
# Whether other machines may join a cluster; in spite of its name, of Linux, too.
OTHER_MACHINES = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
OBJECT_STORE = 100_000_000  # bytes; only names of shards and errors pass through it


def import_ray(address: str | None = None) -> Any:
    """Ray, for the cluster at an address or one of this machine. Raises ValueError without it.

    A cluster of this machine listens to this machine alone, which Ray decides when it is imported.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is None:
        os.environ.setdefault(OTHER_MACHINES, "0")
    try:
        import ray
    except ImportError:
        raise ValueError(f"--engine ray needs Ray: pip install '{DISTRIBUTION}[ray]'") from None
    return ray


class ShardWorker:
    """An actor. It loads the model for its first shard."""

    def __init__(self, load: LoadModel, settings: BatchSettings) -> None:
        self.load, self.settings = load, settings
        self.model: BatchModel | None = None

    def is_placed(self) -> bool:
        """Whether the cluster has room for this actor: nothing answers before it has."""
        return True

    def run(self, task: Task) -> str:
        """Answers a shard; a text that is not empty is what no other worker would do better."""
        try:
            self.model = self.model or open_model(self.load, self.settings)
            with naming_the_disk(self.settings.out):
                for _ in run_shard(self.model, task, self.settings):
                    pass
        except Exception as error:
            return explain(error)
        return ""


class RayPool:
    """Up to `workers` actors on the cluster at `ray_address`, or on one that lives as long as this.

    An actor that ends is replaced. As many are asked for as shards are left, so that a cluster that
    grows on demand grows, and one that is idle while no shard waits is let go.
    """

    def __init__(self, load: LoadModel, settings: BatchSettings) -> None:
        self.ray = import_ray(settings.ray_address)
        folders = tuple(folder.absolute() for folder in settings.media_folders)
        self.settings = replace(settings, out=settings.out.absolute(), media_folders=folders)
        self.most = settings.workers or 1
        self.least = settings.least_workers or self.most
        self.is_local = settings.ray_address is None and not self.ray.is_initialized()
        self.is_ours = settings.ray_address is not None or self.is_local
        if self.is_ours:
            per_worker = (settings.threads or 1, settings.worker_gpus)
            connect(self.ray, settings.ray_address, self.most, self.least, *per_worker)
        resources = {"num_cpus": settings.threads or 1, "num_gpus": settings.worker_gpus}
        actor = self.ray.remote(max_restarts=0, max_task_retries=0, **resources)(ShardWorker)
        self.create = partial(actor.remote, load, self.settings)
        self.starting: dict[Any, Any] = {}  # actors by the reference to their first answer
        self.idle: list[Any] = []
        self.running: dict[Any, tuple[Any, Task]] = {}  # by reference: the actor and its shard
        self.failed_starts = 0
        # A cluster that was started here has room for all: only their processes take time to start.
        self.deadline = math.inf if self.is_local else time.monotonic() + PLACE_SECONDS

    def resize(self, waiting: int) -> None:
        requested = min(self.most, waiting + len(self.running))
        self.least = min(self.least, requested)
        while len(self.starting) + len(self.idle) + len(self.running) < requested:
            actor = self.create()
            self.starting[actor.is_placed.remote()] = actor
        if not waiting:
            for actor in [*self.starting.values(), *self.idle]:
                self.ray.kill(actor)
            self.starting, self.idle = {}, []

    def has_room(self) -> bool:
        return bool(self.idle)

    def submit(self, task: Task) -> None:
        actor = self.idle.pop()
        work = replace(task.work, folder=task.work.folder.absolute())
        self.running[actor.run.remote(replace(task, work=work))] = actor, task

    def poll(self, seconds: float) -> Iterator[Event]:
        ready, _ = self.ray.wait([*self.starting, *self.running], num_returns=1, timeout=seconds)
        for reference in ready:
            if reference in self.starting:
                yield from self.placed(reference)
            else:
                yield from self.ended(reference)
        yield from self.missing()

    def placed(self, reference: Any) -> Iterator[Event]:
        actor = self.starting.pop(reference)
        try:
            self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            self.failed_starts += 1
            if self.failed_starts >= MAX_FAILED_STARTS:
                yield Refused(f"Ray cannot start a worker: {reason_of(error)}")
        else:
            self.failed_starts = 0
            self.idle.append(actor)

    def ended(self, reference: Any) -> Iterator[Event]:
        actor, task = self.running.pop(reference)
        try:
            refusal = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            refusal = reason_of(error)
        except self.ray.exceptions.RayError:
            yield Died(task, "its Ray actor has ended")
            return
        self.idle.append(actor)
        yield Refused(refusal) if refusal else Finished(task)

    def missing(self) -> Iterator[Event]:
        """An end to the batch if the cluster has had its time and never had room for enough."""
        placed = len(self.idle) + len(self.running)
        if placed >= self.least:
            self.deadline = math.inf
        if time.monotonic() > self.deadline:
            gpus = self.settings.worker_gpus
            size = f"{self.settings.threads or 1} CPU" + (f" and {gpus:g} GPU" if gpus else "")
            yield Refused(
                f"--workers {self.least}: the cluster has room for {placed} with {size} each after "
                f"{PLACE_SECONDS:g} seconds; give a smaller number, or 1:{self.most} to take what "
                "there is"
            )

    def kill(self, task: Task) -> None:
        for actor, running in self.running.values():
            if running == task:
                self.ray.kill(actor)

    def close(self) -> None:
        actors = [actor for actor, _ in self.running.values()]
        for actor in [*self.starting.values(), *self.idle, *actors]:
            self.ray.kill(actor)
        if self.is_ours:
            self.ray.shutdown()


def connect(ray: Any, address: str | None, most: int, least: int, cpus: int, gpus: float) -> None:
    """Joins the cluster at an address, or starts one on this machine with CPUs for `most` workers.

    Raises ValueError if nothing answers there, or this machine has too few GPUs for `least`.
    """
    more: dict[str, Any] = {}
    if address is None:
        more = {"num_cpus": most * cpus, "object_store_memory": OBJECT_STORE}
        more["include_dashboard"] = False
    elif address != "auto":
        check_address(address)
    try:
        ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **more)
    except Exception as error:  # Ray raises this class itself, too
        reason = " ".join(str(error).split())[:200]
        where = f"--ray-address {address}: no Ray cluster answers"
        raise ValueError(f"{where if address else 'Ray does not start'}: {reason}") from None
    found = ray.cluster_resources().get("GPU", 0)
    if address is None and room_on(found, gpus) < least:
        ray.shutdown()
        raise ValueError(
            f"--worker-gpus {gpus:g}: this machine has {found:g}, too few for "
            f"--workers {least}; name a cluster by --ray-address, or give a smaller number"
        )


def room_on(gpus: float, each: float) -> float:
    """How many workers have room: Ray gives none of them parts of several GPUs."""
    if not each:
        return math.inf
    return gpus * math.floor(round(1 / each, 4)) if each < 1 else gpus // each


def reason_of(error: Exception) -> str:
    """What Ray's error is about: its last line, which names the exception of the actor."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__


def check_address(address: str) -> None:
    """Raises ValueError unless something listens there: Ray itself would wait for a minute."""
    where = urlsplit(address if "://" in address else f"//{address}")
    try:
        with socket.create_connection((where.hostname, where.port or 0), CONNECT_SECONDS):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"--ray-address {address}: nothing answers there: {reason}") from None

"""A thread that runs the engine; jobs carry the events of requests to the event loop."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from anygen.generation.engine import Engine, Slot
from anygen.generation.events import Done, Event, MediaProgress
from anygen.generation.request_checks import PreparedRequest

CLOSE_SECONDS = 5.0
log = logging.getLogger("anygen.serve")


class Answering(Protocol):
    """Whatever the events of an answer come from."""

    def events(self) -> AsyncIterator[Event]: ...


class Job:
    """A request that is being answered, as its handler on the event loop sees it."""

    def __init__(
        self,
        prepared: PreparedRequest,
        count: Callable[[Event], None],
        engine: Engine,
    ) -> None:
        self.prepared = prepared
        self._count = count  # for statistics: every event, also those that are not delivered
        self._engine = engine
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._events: deque[Event] = deque()
        self.ended = asyncio.Event()  # set when all events have come
        self._error: BaseException | None = None
        self.slot: Slot = engine.admit(prepared, self.is_cancelled)

    def cancel(self) -> None:
        """Ends the answer within a forward pass or a denoising step. For the event loop."""
        if not self._stop.is_set():
            self._stop.set()
            self._engine.end_wait()

    def is_cancelled(self) -> bool:
        return self._stop.is_set()

    def is_waiting_in_vain(self) -> bool:
        """Whether it is cancelled before it has a place; the engine ends one that has."""
        return self.is_cancelled() and self.slot.sequence is None

    async def events(self) -> AsyncIterator[Event]:
        """The events as they come. Raises the error that ended the request, if one did."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self._error:
                raise self._error
            if self.ended.is_set():
                return
            self._arrived.clear()
            await self._arrived.wait()

    def deliver(
        self, events: Sequence[Event], ended: bool, error: BaseException | None = None
    ) -> None:
        """Hands events to the event loop. For the thread of the engine."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits for them
            self._loop.call_soon_threadsafe(self._receive, events, ended, error)

    def _receive(self, events: Sequence[Event], ended: bool, error: BaseException | None) -> None:
        for event in events:
            self._count(event)
            if self._events and supersedes(event, self._events[-1]):
                self._events.pop()
            self._events.append(event)
        self._error = error
        if ended:
            self.ended.set()
        self._arrived.set()


def supersedes(event: Event, last: Event) -> bool:
    """Whether a step of a medium makes the step before it superfluous."""
    return (
        isinstance(event, MediaProgress)
        and isinstance(last, MediaProgress)
        and event.part == last.part
    )


class EngineThread:
    """Runs the engine while there are jobs, and sleeps otherwise."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()  # None: end
        self._jobs: list[Job] = []
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, prepared: PreparedRequest, count: Callable[[Event], None]) -> Job:
        """Begins an answer. For the event loop that reads its events, where `count` is called."""
        job = Job(prepared, count, self._engine)
        self._inbox.put(job)
        self._engine.end_wait()
        return job

    def close(self) -> None:
        """Ends all jobs, and the thread; one that is stuck in a step ends with the process."""
        self._inbox.put(None)
        self._engine.end_wait()
        self._thread.join(CLOSE_SECONDS)

    # The methods below run in the thread.

    def _run(self) -> None:
        while self._admit():
            self._end_waiting()
            try:
                self._engine.run_until(self._has_work)
            except Exception as error:
                log.exception("the engine failed")
                self._fail(error)
            self._hand_over()
        self._fail(RuntimeError("the server ends"))

    def _admit(self) -> bool:
        """Waits for a job if there is none. False if the thread is to end."""
        while not self._jobs or not self._inbox.empty():
            job = self._inbox.get()
            if job is None:
                return False
            self._jobs.append(job)
        return True

    def _end_waiting(self) -> None:
        """Ends cancelled jobs that have no place yet."""
        for job in [job for job in self._jobs if job.is_waiting_in_vain()]:
            self._engine.release(job.slot)
            job.deliver([Done("cancelled", 0, 0, 0)], ended=True)
            self._jobs.remove(job)

    def _has_work(self) -> bool:
        return not self._inbox.empty() or any(
            job.slot.events or job.slot.finished or job.is_waiting_in_vain() for job in self._jobs
        )

    def _hand_over(self) -> None:
        for job in list(self._jobs):
            slot = job.slot
            events = [slot.events.popleft() for _ in range(len(slot.events))]
            if slot.finished:
                self._jobs.remove(job)
            if events or slot.finished:
                job.deliver(events, slot.finished, slot.error)

    def _fail(self, error: Exception) -> None:
        for job in self._jobs:
            with suppress(Exception):  # the engine has failed, so its state may not be whole
                self._engine.release(job.slot)
            job.deliver([], ended=True, error=error)
        self._jobs.clear()

"""Keeps what clients may fetch again: for a while, and at most so many bytes of it.

Beside media, that is responses, which can be continued, files of clients, and work that goes on
without a client that waits for it.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any, Protocol, TypeVar

from anygen.core.media import Audio, Image, Message, Part


class Kept(Protocol):
    @property
    def size(self) -> int: ...  # bytes that it takes


class Releasable(Protocol):
    def release(self) -> None:
        """Ends what is still being worked on."""


class Ask(Protocol):
    async def __call__(self, method: str, *arguments: Any) -> list[Any]:
        """What a method of `Tasks` finds on each of the other servers."""


Kind = TypeVar("Kind", bound=Kept)
CLOSE_SECONDS = 5.0


class Store:
    """Values under their ids, for a number of seconds. If room is needed, the oldest go first.

    For any thread.
    """

    def __init__(
        self, max_bytes: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.max_bytes, self.seconds, self.clock = max_bytes, seconds, clock
        self.bytes = 0
        self._values: dict[str, tuple[Kept, int, float]] = {}  # with their size and their end
        self._lock = threading.Lock()

    def put(self, key: str, value: Kept) -> bool:
        """Keeps a value from now on; False if it alone is larger than all that may be kept."""
        size = value.size
        if size > self.max_bytes:
            return False
        with self._lock:
            self._drop(key)
            self._drop_expired()
            while self.bytes + size > self.max_bytes:
                self._drop(next(iter(self._values)))
            self._values[key] = value, size, self.clock() + self.seconds
            self.bytes += size
        return True

    def get(self, key: str, kind: type[Kind]) -> Kind | None:
        """The value with the id, unless it is of another kind or no longer kept."""
        with self._lock:
            self._drop_expired()
            return self._find(key, kind)

    def remove(self, key: str, kind: type[Kind]) -> bool:
        """False if there is no such value."""
        with self._lock:
            self._drop_expired()
            found = self._find(key, kind) is not None
            if found:
                self._drop(key)
            return found

    def all(self, kind: type[Kind]) -> list[Kind]:
        """Every value of a kind, the newest first."""
        with self._lock:
            self._drop_expired()
            return [value for value, *_ in self._values.values() if isinstance(value, kind)][::-1]

    def _find(self, key: str, kind: type[Kind]) -> Kind | None:
        entry = self._values.get(key)
        return entry[0] if entry and isinstance(entry[0], kind) else None

    def _drop_expired(self) -> None:
        now = self.clock()
        while self._values:
            key, (*_, end) = next(iter(self._values.items()))  # the oldest
            if end > now:
                return
            self._drop(key)

    def _drop(self, key: str) -> None:
        if key in self._values:
            _, size, _ = self._values.pop(key)
            self.bytes -= size


@dataclass(eq=False)
class Running:
    value: Kept
    place: Releasable
    work: asyncio.Task[None]


async def ask_nobody(method: str, *arguments: Any) -> list[Any]:
    return []


class Tasks:
    """Values that are being worked on, and afterwards those that the store still has.

    Servers that work together have one each: what is not here is asked for at the others.
    """

    def __init__(self, store: Store, ask: Ask = ask_nobody) -> None:
        self.store, self.ask = store, ask
        self.running: dict[str, Running] = {}

    def start(
        self, key: str, value: Kept, work: Coroutine[Any, Any, None], place: Releasable
    ) -> None:
        """Begins work that changes the value, and gives up the place when it ends."""
        running = asyncio.create_task(work)
        self.running[key] = Running(value, place, running)
        running.add_done_callback(lambda _: self.ended(key))

    def ended(self, key: str) -> None:
        found = self.running.pop(key, None)
        if found:  # not dropped meanwhile
            self.store.put(key, found.value)

    async def close(self) -> None:
        """Ends all work, and waits for a few seconds until it has ended."""
        works = []
        for running in self.running.values():
            running.place.release()
            works.append(running.work)
        if works:
            await asyncio.wait(works, timeout=CLOSE_SECONDS)

    # --- on any of the servers

    async def find(self, key: str, kind: type[Kind]) -> Kind | None:
        """The value with the id, or a copy of it, if it is of that kind."""
        here = self.find_here(key, kind)
        if here is not None:
            return here
        found: list[Kind | None] = await self.ask("find_here", key, kind)
        return next((value for value in found if value is not None), None)

    async def describe(
        self, kind: type[Kind], view: Callable[[Kind], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Views of all values of a kind, the newest first: by `created_at`, and then by `id`."""
        others = await self.ask("describe_here", kind, view)
        entries = itertools.chain(self.describe_here(kind, view), *others)
        return sorted(entries, key=itemgetter("created_at", "id"), reverse=True)

    async def stop(self, key: str, kind: type[Kind]) -> None:
        """Ends work that is going on, whose value is kept."""
        if not self.stop_here(key, kind):
            await self.ask("stop_here", key, kind)

    async def drop(self, key: str, kind: type[Kind]) -> bool:
        """Ends the work within a denoising step, and forgets the value; False if there is none."""
        return self.drop_here(key, kind) or any(await self.ask("drop_here", key, kind))

    # --- on this one

    def find_here(self, key: str, kind: type[Kind]) -> Kind | None:
        found = self.running.get(key)
        if found and isinstance(found.value, kind):
            return found.value
        return self.store.get(key, kind)

    def describe_here(
        self, kind: type[Kind], view: Callable[[Kind], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        running = [each.value for each in self.running.values() if isinstance(each.value, kind)]
        return [view(value) for value in (*reversed(running), *self.store.all(kind))]

    def stop_here(self, key: str, kind: type[Kind]) -> bool:
        found = self.find_running(key, kind)
        if found:
            found.place.release()
        return found is not None

    def drop_here(self, key: str, kind: type[Kind]) -> bool:
        found = self.find_running(key, kind)
        if found is None:
            return self.store.remove(key, kind)
        del self.running[key]
        found.place.release()
        return True

    def find_running(self, key: str, kind: type[Kind]) -> Running | None:
        found = self.running.get(key)
        return found if found and isinstance(found.value, kind) else None


@dataclass(frozen=True, eq=False)
class StoredResponse:
    """A response as it was sent, and the conversation up to it, without its instructions."""

    body: bytes  # JSON
    messages: Sequence[Message]

    @cached_property
    def size(self) -> int:
        parts = (part for message in self.messages for part in message.parts)
        return len(self.body) + sum(map(size_of_part, parts))


@dataclass(frozen=True, eq=False)
class StoredFile:
    """A medium or the lines of a batch that a client has uploaded, or what came of such lines."""

    id: str
    data: bytes
    filename: str
    purpose: str
    created_at: int  # seconds since 1970
    expires_at: int

    @property
    def size(self) -> int:
        return len(self.data)


def size_of_part(part: Part) -> int:
    """The bytes that it takes in memory."""
    if isinstance(part, str):
        return len(part)
    if isinstance(part, Image):
        return part.pixels.nbytes
    if isinstance(part, Audio):
        return part.samples.nbytes
    return part.frames.nbytes + (size_of_part(part.audio) if part.audio else 0)

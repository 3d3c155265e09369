"""Keeps what clients may fetch again: for a while, and at most so many bytes of it.

Beside media, that is responses, which can be continued, and files of clients.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

from anygen.core.media import Audio, Image, Message, Part


class Kept(Protocol):
    @property
    def size(self) -> int: ...  # bytes that it takes


Kind = TypeVar("Kind", bound=Kept)


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

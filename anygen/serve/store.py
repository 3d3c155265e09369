"""Keeps what clients may fetch again: for a while, and at most so many bytes of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar


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
        self._values: dict[str, tuple[Kept, float]] = {}  # with the time of their end
        self._lock = threading.Lock()

    def put(self, key: str, value: Kept) -> bool:
        """Keeps a value from now on; False if it alone is larger than all that may be kept."""
        if value.size > self.max_bytes:
            return False
        with self._lock:
            self._drop(key)
            self._drop_expired()
            while self.bytes + value.size > self.max_bytes:
                self._drop(next(iter(self._values)))
            self._values[key] = value, self.clock() + self.seconds
            self.bytes += value.size
        return True

    def get(self, key: str, kind: type[Kind]) -> Kind | None:
        """The value with the id, unless it is of another kind or no longer kept."""
        with self._lock:
            self._drop_expired()
            value, _ = self._values.get(key, (None, 0.0))
            return value if isinstance(value, kind) else None

    def remove(self, key: str, kind: type[Kind]) -> bool:
        """False if there is no such value."""
        with self._lock:
            self._drop_expired()
            value, _ = self._values.get(key, (None, 0.0))
            found = isinstance(value, kind)
            if found:
                self._drop(key)
            return found

    def all(self, kind: type[Kind]) -> list[Kind]:
        """Every value of a kind, the newest first."""
        with self._lock:
            self._drop_expired()
            return [value for value, _ in self._values.values() if isinstance(value, kind)][::-1]

    def _drop_expired(self) -> None:
        now = self.clock()
        while self._values:
            key, (_, end) = next(iter(self._values.items()))  # the oldest
            if end > now:
                return
            self._drop(key)

    def _drop(self, key: str) -> None:
        if key in self._values:
            value, _ = self._values.pop(key)
            self.bytes -= value.size

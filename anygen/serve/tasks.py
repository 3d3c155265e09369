"""Work that goes on without a client that waits for it; its results are kept for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from anygen.serve.store import Kept, Kind, Store

CLOSE_SECONDS = 5.0


class Releasable(Protocol):
    def release(self) -> None:
        """Ends what is still being worked on."""


@dataclass(eq=False)
class Running:
    value: Kept
    place: Releasable
    work: asyncio.Task[None]


class Tasks:
    """Values that are being worked on, and afterwards those that the store still has."""

    def __init__(self, store: Store) -> None:
        self.store = store
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

    def find(self, key: str, kind: type[Kind]) -> Kind | None:
        found = self.running.get(key)
        if found and isinstance(found.value, kind):
            return found.value
        return self.store.get(key, kind)

    def all(self, kind: type[Kind]) -> list[Kind]:
        """The newest first."""
        running = [each.value for each in self.running.values() if isinstance(each.value, kind)]
        return [*reversed(running), *self.store.all(kind)]

    def stop(self, key: str) -> None:
        """Ends work that is going on, whose value is kept."""
        if key in self.running:
            self.running[key].place.release()

    async def close(self) -> None:
        """Ends all work, and waits for a few seconds until it has ended."""
        works = []
        for running in self.running.values():
            running.place.release()
            works.append(running.work)
        if works:
            await asyncio.wait(works, timeout=CLOSE_SECONDS)

    def drop(self, key: str, kind: type[Kind]) -> bool:
        """Ends the work within a denoising step, and forgets the value; False if there is none."""
        found = self.running.get(key)
        if found is None or not isinstance(found.value, kind):
            return self.store.remove(key, kind)
        del self.running[key]
        found.place.release()
        return True

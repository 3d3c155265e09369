"""Answers many requests at once: one forward pass reads for all, media are rendered meanwhile.

A request gets a slot when one is free. Its sequence (sequence.py) yields operations, which the
engine batches; requests never affect each other's output, so answers are the same alone, in any
batch and in any order. Requests may be admitted at any time and from any thread; whoever waits for
events drives the engine.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from anygen.core.lru_cache import LRUCache
from anygen.core.media import Media
from anygen.generation.events import Event, MediaDone, MediaFailed, MediaPreview, MediaProgress
from anygen.generation.render_pool import Failed, Preview, Progress, RenderingPool, Result
from anygen.generation.request_checks import PreparedRequest
from anygen.generation.sequence import (
    Forward,
    Operations,
    RenderMedia,
    SampleToken,
    Sequence,
    WaitForMedia,
)
from anygen.llm.kv_cache import KVCachePool, common_prefix
from anygen.model.multimodal import MultimodalModel
from decoders.base import Cancelled, CancelledError, RenderRequest, never

MAX_SLOTS = 8  # requests at a time; the next one starts where one ends
MAX_WAIT_PASSES = 8  # most answers begin their media early: longer waits seldom gain a fuller batch
MAX_EMBEDDED_MEDIA = 256


@dataclass(eq=False)
class Slot:
    """A request that is being answered: its next operation, its media and its events."""

    prepared: PreparedRequest
    cancelled: Cancelled
    events: deque[Event] = field(default_factory=deque)  # not yet yielded
    error: BaseException | None = None  # that ended it
    finished: bool = False
    sequence: Sequence | None = None  # once it has been admitted
    operations: Operations | None = None
    pending: Forward | SampleToken | WaitForMedia | None = None
    renders: dict[int, RenderMedia] = field(default_factory=dict)  # by part
    unsubmitted: list[int] = field(default_factory=list)  # parts that the pool has yet to get
    media: dict[int, Media | None] = field(default_factory=dict)  # by part; None: it failed

    @property
    def rendering(self) -> set[int]:
        """Parts that were requested and are not finished."""
        return self.renders.keys() - self.media.keys()

    @property
    def is_waiting(self) -> bool:
        """Whether it cannot continue without the render pool."""
        return isinstance(self.pending, WaitForMedia) and self.pending.part in self.rendering


class Engine:
    """Owns what outlives a request: KV caches of conversations, and embeddings of media."""

    def __init__(self, model: MultimodalModel, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds, for deadlines."""
        self.model, self.clock = model, clock
        self.kv_caches = KVCachePool(model.llm.context)
        self.embeddings: LRUCache[str, Tensor] = LRUCache(MAX_EMBEDDED_MEDIA)
        self.inbox: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        self.waiting: deque[Slot] = deque()  # admitted requests that have no place yet
        self.slots: list[Slot] = []
        self.render_pool: RenderingPool | None = None  # while there are slots
        self.quiet_passes = 0  # since a sequence asked for a medium
        self.lock = threading.RLock()  # of all that steps change

    # --- for callers

    def admit(self, prepared: PreparedRequest, cancelled: Cancelled = never) -> Slot:
        """A slot whose request is answered as the engine steps; end it with `release`.

        For any thread.
        """
        slot = Slot(prepared, cancelled)
        self.inbox.put(slot)
        self.end_wait()
        return slot

    def end_wait(self) -> None:
        """Ends a step that waits for media, so that the next one sees who is cancelled.

        For any thread.
        """
        if pool := self.render_pool:
            pool.end_wait()

    def events(self, slot: Slot) -> Iterator[Event]:
        """The events of a request as they come. Raises the error that ended it, if one did."""
        while True:
            while slot.events:
                yield slot.events.popleft()
            if slot.error:
                raise slot.error
            if slot.finished:
                return
            with self.lock:
                if not (slot.events or slot.finished):  # another thread may have made a step
                    self.step()

    def release(self, slot: Slot) -> None:
        """Ends a request, whatever its state; its conversation's KV cache is kept."""
        with self.lock:
            self.receive_admitted()
            if slot in self.waiting:
                self.waiting.remove(slot)
            if slot in self.slots:
                self.finish(slot)

    @torch.inference_mode()
    def step(self) -> None:
        """One piece of work for all requests: sampled tokens, or else a forward pass."""
        with self.lock:
            self.fill_slots()
            if not self.sample_step():
                self.forward_step()
                self.submit_renders()
            self.collect_renders()
            self.resume()

    # --- slots

    def receive_admitted(self) -> None:
        while not self.inbox.empty():
            self.waiting.append(self.inbox.get())

    def fill_slots(self) -> None:
        self.receive_admitted()
        while len(self.slots) < MAX_SLOTS and (slot := self.next_waiting()):
            self.waiting.remove(slot)
            slot.sequence = Sequence(
                self.model,
                slot.prepared,
                self.kv_caches,
                self.embeddings,
                slot.cancelled,
                self.clock,
            )
            slot.operations = slot.sequence.run()
            self.slots.append(slot)
            self.advance(slot)

    def next_waiting(self) -> Slot | None:
        """The first request that need not wait for what another one is reading.

        A prompt that begins like another's waits until that is read, to go on from a copy of its KV
        cache, if that is most of it: questions about one medium, or answers to one prompt.
        """
        return next((slot for slot in self.waiting if not self.is_being_read(slot)), None)

    def is_being_read(self, waiting: Slot) -> bool:
        keys = waiting.prepared.base_prompt.keys
        for slot in self.slots:
            assert slot.sequence is not None
            shared = common_prefix(slot.sequence.prompt.keys, keys)
            if 2 * shared > len(keys) and slot.sequence.cache.length < shared:
                return True
        return False

    def advance(self, slot: Slot, result: Any = None, error: Exception | None = None) -> None:
        """Resumes a sequence with the result of its operation, up to the next one or the end."""
        assert slot.operations is not None
        slot.pending = None
        while slot.pending is None:
            try:
                item = slot.operations.throw(error) if error else slot.operations.send(result)
            except StopIteration:
                self.finish(slot)
                return
            except BaseException as failure:  # of this request: the others continue
                self.fail(slot, failure)
                if isinstance(failure, Exception):
                    return
                raise
            result = error = None
            if isinstance(item, RenderMedia):
                slot.renders[item.part] = item
                slot.unsubmitted.append(item.part)
                self.quiet_passes = 0
            elif isinstance(item, Forward | SampleToken | WaitForMedia):
                slot.pending = item
            else:
                slot.events.append(item)

    def fail(self, slot: Slot, error: BaseException) -> None:
        slot.error = error
        self.finish(slot)

    def finish(self, slot: Slot) -> None:
        assert slot.operations is not None
        assert slot.sequence is not None
        self.cancel_renders(slot)
        slot.operations.close()
        slot.finished = True
        self.slots.remove(slot)
        self.kv_caches.release(slot.sequence.cache)
        if not self.slots and self.render_pool:
            self.render_pool.close()
            self.render_pool = None

    # --- the LLM

    def sample_step(self) -> bool:
        """Samples for all sequences that need a token. False if no sequence does."""
        sampling = [(s, s.pending) for s in self.slots if isinstance(s.pending, SampleToken)]
        if not sampling:
            return False
        last = torch.stack([cast(Tensor, operation.cache.last) for _, operation in sampling])
        logits = self.model.llm.answer_logits(last)
        for (slot, operation), row in zip(sampling, logits, strict=True):
            try:
                assert slot.sequence is not None
                token = slot.sequence.sampler.choose(row, operation.choice)
            except ValueError as error:
                self.fail(slot, error)
            else:
                self.advance(slot, token)
        return True

    def forward_step(self) -> None:
        """One forward pass for all sequences that have something to read."""
        reading = [(s, s.pending) for s in self.slots if isinstance(s.pending, Forward)]
        if not reading:
            return
        rows = [(operation.cache, operation.embeds, operation.keys) for _, operation in reading]
        try:
            hidden = self.model.llm.read(rows)
        except Exception as error:
            for slot, _ in reading:
                self.fail(slot, error)
            return
        for (slot, _), states in zip(reading, hidden, strict=True):
            self.advance(slot, states)

    # --- media

    def submit_renders(self) -> None:
        """Submits media together: once all sequences wait, or none has come for some passes."""
        self.quiet_passes += 1
        others = any(not slot.is_waiting and not slot.unsubmitted for slot in self.slots)
        if others and self.quiet_passes < MAX_WAIT_PASSES:
            return
        for modality in self.model.decoders:
            tasks: dict[Hashable, RenderRequest] = {
                (slot, part): slot.renders[part].task
                for slot in self.slots
                for part in slot.unsubmitted
                if slot.renders[part].modality == modality
            }
            if tasks:
                self.open_render_pool().submit(modality, tasks)
        for slot in self.slots:
            slot.unsubmitted.clear()

    def open_render_pool(self) -> RenderingPool:
        if self.render_pool is None:
            self.render_pool = RenderingPool(self.model.decoders)
        return self.render_pool

    def collect_renders(self) -> None:
        """Receives rendered media; waits for one if there is nothing else to do.

        Who was admitted or cancelled before there was a pool has not ended its wait.
        """
        if self.render_pool is None or not any(slot.rendering for slot in self.slots):
            return
        waiting = all(slot.is_waiting and not slot.cancelled() for slot in self.slots)
        idle = waiting and self.inbox.empty()
        for ticket, result in self.render_pool.results(wait=idle):
            slot, part = cast(tuple[Slot, int], ticket)
            slot.events.append(self.receive(slot, part, result))

    def receive(self, slot: Slot, part: int, result: Result) -> Event:
        """The event of a result; from now on the medium is there for its sequence."""
        render = slot.renders[part]
        if isinstance(result, Progress):
            return MediaProgress(part, render.modality, result.step, result.total)
        if isinstance(result, Preview):
            return MediaPreview(part, result.medium)
        if isinstance(result, Failed):
            slot.media[part] = None
            return MediaFailed(part, render.modality, str(result.error))
        slot.media[part] = result
        return MediaDone(part, result, render.task.seed)

    def resume(self) -> None:
        """Continues sequences whose medium is there, and ends the wait of cancelled ones."""
        for slot in [s for s in self.slots if isinstance(s.pending, WaitForMedia)]:
            assert isinstance(slot.pending, WaitForMedia)
            assert slot.sequence is not None
            if not slot.is_waiting:
                self.advance(slot, slot.media.get(slot.pending.part))
                continue
            try:
                slot.sequence.check_cancelled()
            except CancelledError as error:
                self.cancel_renders(slot)
                self.advance(slot, error=error)

    def cancel_renders(self, slot: Slot) -> None:
        for part in slot.rendering:
            if self.render_pool:
                self.render_pool.cancel((slot, part))
            slot.media[part] = None

"""Answers many requests at once: one forward pass reads for all, media are rendered meanwhile.

A request gets a slot when one is free. Its sequence (sequence.py) yields operations, which the
engine batches; requests never affect each other's output, so answers are the same alone, in any
batch and in any order. Requests may be admitted at any time and from any thread. Of the threads
that wait for events the first one steps the engine, for all (`run_until`).
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
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
Bell = queue.SimpleQueue[None]  # unlike a lock it outlives Ctrl-C wherever that strikes


@dataclass(eq=False)
class Slot:
    """A request that is being answered: its next operation, its media and its events.

    Without a `pending` operation its sequence goes on with `result`.
    """

    prepared: PreparedRequest
    cancelled: Cancelled
    events: deque[Event] = field(default_factory=deque)  # not yet yielded
    error: BaseException | None = None  # that ended it
    finished: bool = False
    sequence: Sequence | None = None  # once it has been admitted
    operations: Operations | None = None
    pending: Forward | SampleToken | WaitForMedia | None = None
    result: Any = None  # of its last operation
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

    def continue_with(self, result: Any) -> None:
        """Ends the pending operation."""
        self.result, self.pending = result, None


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
        self.callers: list[Bell] = []  # of `run_until`: the first one steps, and rings for others
        self.leaving: set[Slot] = set()  # that are being released: no step begins before

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
        """Makes whoever waits look again: a step for media, a thread for a step.

        So a cancelled request ends. For any thread.
        """
        if pool := self.render_pool:
            pool.end_wait()
        self.ring()

    def events(self, slot: Slot) -> Iterator[Event]:
        """The events of a request as they come. Raises the error that ended it, if one did."""
        while True:
            self.run_until(lambda: slot.events or slot.finished)
            while slot.events:
                yield slot.events.popleft()
            if slot.error:
                raise slot.error
            if slot.finished:
                return

    def run_until(self, ready: Callable[[], object]) -> None:
        """Returns once `ready()` is true; until then this thread or another steps the engine.

        Of the threads that are in here the first one steps, so nobody waits for media but with all
        others. What is raised in a step is for the thread that makes it, and the next one steps on.
        For any thread.
        """
        bell: Bell = queue.SimpleQueue()
        try:
            self.callers.append(bell)
            while True:
                is_first = self.callers[0] is bell  # if so, no step of another follows
                if ready():
                    return
                if is_first and not self.leaving:
                    self.step()
                    self.ring()
                else:
                    bell.get()
        finally:
            if bell in self.callers:
                self.callers.remove(bell)
            self.ring()

    def ring(self) -> None:
        """Makes the callers of `run_until` look again."""
        for bell in list(self.callers):
            if bell.empty():
                bell.put(None)

    def release(self, slot: Slot) -> None:
        """Ends a request, whatever its state; its conversation's KV cache is kept."""
        try:
            self.leaving.add(slot)
            self.end_wait()
            with self.lock:
                self.receive_admitted()
                if slot in self.waiting:
                    self.waiting.remove(slot)
                if slot in self.slots:
                    self.finish(slot)
        finally:
            self.leaving.discard(slot)
            self.ring()

    @torch.inference_mode()
    def step(self) -> None:
        """One piece of work for all requests: sampled tokens, or else a forward pass.

        Raises KeyboardInterrupt. What is left to do then is for the next step.
        """
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
        self.advance_ready()  # those that a step which Ctrl-C ended has left
        while len(self.slots) < MAX_SLOTS and (slot := self.next_waiting()):
            self.slots.append(slot)
            self.waiting.remove(slot)
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

    @contextmanager
    def work_of(self, slot: Slot) -> Iterator[None]:
        """Whatever is raised within the context ends this request alone."""
        try:
            yield
        except BaseException as error:
            self.fail(slot, error)
            if not isinstance(error, Exception):
                raise

    def advance_ready(self) -> None:
        """Resumes the sequences that have the result of their operation."""
        for slot in [slot for slot in self.slots if slot.pending is None]:
            self.advance(slot)

    def advance(self, slot: Slot, error: Exception | None = None) -> None:
        """Resumes a sequence, with its result or an error, up to the next operation or the end."""
        with self.work_of(slot):
            slot.pending = None
            operations = slot.operations or self.begin(slot)
            while slot.pending is None:
                try:
                    item = operations.throw(error) if error else operations.send(slot.result)
                except StopIteration:
                    break
                slot.result = error = None
                if isinstance(item, RenderMedia):
                    slot.renders[item.part] = item
                    slot.unsubmitted.append(item.part)
                    self.quiet_passes = 0
                elif isinstance(item, Forward | SampleToken | WaitForMedia):
                    slot.pending = item
                else:
                    slot.events.append(item)
        if slot.pending is None and not slot.finished:
            self.finish(slot)

    def begin(self, slot: Slot) -> Operations:
        slot.sequence = Sequence(
            self.model, slot.prepared, self.kv_caches, self.embeddings, slot.cancelled, self.clock
        )
        slot.operations = slot.sequence.run()
        return slot.operations

    def fail(self, slot: Slot, error: BaseException) -> None:
        slot.error = error
        self.finish(slot)

    def finish(self, slot: Slot) -> None:
        self.cancel_renders(slot)
        if slot.operations:
            slot.operations.close()
        slot.finished = True
        self.slots.remove(slot)
        if slot.sequence:
            self.kv_caches.release(slot.sequence.cache)
        if not self.slots and self.render_pool:
            pool, self.render_pool = self.render_pool, None
            pool.close()

    # --- the LLM

    def sample_step(self) -> bool:
        """Samples for all sequences that need a token. False if no sequence does."""
        sampling = [(s, s.pending) for s in self.slots if isinstance(s.pending, SampleToken)]
        if not sampling:
            return False
        last = torch.stack([cast(Tensor, operation.cache.last) for _, operation in sampling])
        logits = self.model.llm.answer_logits(last)
        for (slot, operation), row in zip(sampling, logits, strict=True):
            with self.work_of(slot):
                assert slot.sequence is not None
                slot.continue_with(slot.sequence.sampler.choose(row, operation.choice))
        self.advance_ready()
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
            slot.continue_with(states)
        self.advance_ready()

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

        Who was admitted, cancelled or released before there was a pool has not ended its wait.
        """
        if self.render_pool is None or not any(slot.rendering for slot in self.slots):
            return
        waiting = all(slot.is_waiting and not slot.cancelled() for slot in self.slots)
        idle = waiting and self.inbox.empty() and not self.leaving
        if idle:
            self.ring()  # others have what this step has brought before it waits
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
                slot.continue_with(slot.media.get(slot.pending.part))
                self.advance(slot)
                continue
            try:
                slot.sequence.check_cancelled()
            except CancelledError as error:
                self.cancel_renders(slot)
                self.advance(slot, error)

    def cancel_renders(self, slot: Slot) -> None:
        for part in slot.rendering:
            if self.render_pool:
                self.render_pool.cancel((slot, part))
            slot.media[part] = None

"""Admits requests to the engine, as many as may wait, and keeps what outlives one of them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, TypeVar

from starlette.requests import Request as HTTPRequest

from anygen.anygen import AnyGen
from anygen.core.media import Media, Message, modality_of
from anygen.core.modality import MediaModality
from anygen.generation.engine import MAX_SLOTS
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.generation.request_checks import PreparedRequest, prepare
from anygen.serve.content import MessageReader
from anygen.serve.encoded_media import EncodedMedia, encode_media
from anygen.serve.engine_thread import EngineThread, Job
from anygen.serve.errors import ApiError, draining, invalid
from anygen.serve.metrics import AnswerMeter, Metrics
from anygen.serve.settings import ServeSettings
from anygen.serve.store import Ask, Kind, Store, Tasks, ask_nobody

Result = TypeVar("Result")
MAX_RETRY = 120  # seconds; OpenAI's clients wait no longer than that
# That answers which no client waits for may take of an idle server; the others are the clients'.
SPARE_SLOTS = MAX_SLOTS // 2
is_spare: ContextVar[bool] = ContextVar("is_spare", default=False)  # whether nobody waits for it
SMOOTHING = 0.2  # weight of the latest answer in the mean time of answers


class Place:
    """The right of a request to its answers, or to wait for them; given up by `release`."""

    def __init__(self, service: Service, answers: int) -> None:
        self.service, self.answers, self.started = service, answers, time.monotonic()
        self.jobs: list[Job] = []
        self.is_open, self.is_cancelled = True, False
        service.places.add(self)

    def release(self) -> None:
        """Ends what is still being answered. May be called again."""
        if not self.is_open:
            return
        self.is_open = False
        self.service.freed.set()
        self.cancel()
        self.service.places.discard(self)
        if self.jobs:
            self.service.note_seconds(time.monotonic() - self.started)

    def cancel(self) -> None:
        """Ends what is being answered, or prepared for it, with what there is."""
        self.is_cancelled = True
        for job in self.jobs:
            job.cancel()


@contextmanager
def released_on_error(place: Place) -> Iterator[None]:
    try:
        yield
    except BaseException:
        place.release()
        raise


class Service:
    """The model behind the endpoints. All but the work in threads is for one event loop."""

    def __init__(self, model: AnyGen, settings: ServeSettings, ask: Ask = ask_nobody) -> None:
        self.model, self.settings = model, settings
        self.name = model.model.folder.name
        self.created = int(time.time())
        self.store = Store(settings.store_bytes, settings.store_seconds)
        self.tasks = Tasks(self.store, ask)
        self.places: set[Place] = set()
        self.freed = asyncio.Event()  # set whenever a place is given up
        self.seconds = 1.0  # of an answer, in the mean
        self.is_draining = False
        self.loop: asyncio.AbstractEventLoop | None = None  # of the server, while it runs
        self.engine = EngineThread(model.engine)
        self.metrics = Metrics()
        self.metrics.watch("load", "Answers being made or waiting", lambda: self.load)
        self.metrics.watch("slots", "Answers that are made at a time", lambda: MAX_SLOTS)
        self.metrics.watch("store_bytes", "What is kept for clients", lambda: self.store.bytes)
        # One at a time: a request is prepared with the tokenizer and the decoders of the model.
        self.preparing = ThreadPoolExecutor(1, "prepare")
        self.batching = ThreadPoolExecutor(1, "batch")  # one after the other, too

    # --- admission

    @property
    def load(self) -> int:
        """Answers that are being made or wait for a slot."""
        return sum(place.answers for place in self.places)

    def admit(self, answers: int = 1) -> Place:
        """Room for the answers of a request; an idle server has room for any number.

        Raises ApiError if the server is full, or about to end.
        """
        if self.is_draining:
            raise draining()
        load = self.load
        if load and load + answers > MAX_SLOTS + self.settings.queue:
            raise ApiError(
                429,
                f"{load} answers are being made or wait; try again later",
                "queue_full",
                headers={"Retry-After": str(self.retry_after())},
            )
        return Place(self, answers)

    async def spare_place(self, answers: int) -> Place:
        """Room for answers that no client waits for, once there is some in `SPARE_SLOTS`.

        More answers than those are made one after the other. Raises ApiError if the server is about
        to end.
        """
        answers = min(answers, SPARE_SLOTS)
        while self.load + answers > SPARE_SLOTS:
            self.freed.clear()
            await self.freed.wait()
        return self.admit(answers)

    def retry_after(self) -> int:
        """Seconds until a place is free, as answers have lately taken."""
        turns = max(1, self.load - self.settings.queue) / MAX_SLOTS
        return max(1, min(MAX_RETRY, math.ceil(self.seconds * turns)))

    def note_seconds(self, seconds: float) -> None:
        self.seconds += SMOOTHING * (seconds - self.seconds)

    async def open(
        self,
        read: Callable[[Any, MessageReader], Sequence[Message]],
        source: Any,
        seeds: Sequence[int],
        options: AnswerOptions,
        previews: int = 0,
    ) -> tuple[Place, list[Job]]:
        """Admits a request, and begins an answer for each seed.

        `read` makes messages of what was sent; `previews` are those of each medium, at most. Raises
        ApiError. The caller releases the place.
        """
        count = len(seeds)
        place = await self.spare_place(count) if is_spare.get() else self.admit(count)
        with released_on_error(place):
            reader = MessageReader(self.find, self.settings.max_media, self.settings.media_hosts)
            messages = await in_thread(read, source, reader)
            prepared = await self.prepared(Request(messages, seeds[0], options, previews))
            for number, seed in enumerate(seeds):
                if is_spare.get() and number >= SPARE_SLOTS:
                    await place.jobs[number - SPARE_SLOTS].ended.wait()
                request = replace(prepared.request, seed=seed)
                self.start(place, replace(prepared, request=request))
            return place, place.jobs

    async def prepared(self, request: Request) -> PreparedRequest:
        """Raises ApiError for a request that the model cannot meet."""
        loop = asyncio.get_running_loop()
        network = self.model.model
        try:
            return await loop.run_in_executor(self.preparing, prepare, network, request)
        except ValueError as error:
            raise invalid(error) from error

    def start(self, place: Place, prepared: PreparedRequest) -> Job:
        """Begins the answer to a request."""
        job = self.engine.submit(prepared, AnswerMeter(self.metrics).count)
        place.jobs.append(job)
        if place.is_cancelled:  # while it was prepared
            job.cancel()
        return job

    # --- models

    @property
    def modalities(self) -> tuple[MediaModality, ...]:
        return tuple(self.model.model.decoders)

    def check_model(self, name: str | None) -> None:
        if name is not None and name != self.name:
            raise ApiError(
                404,
                f"there is no model {name!r}; this server has {self.name!r}",
                "model_not_found",
                "model",
            )

    # --- media

    def find(self, key: str, kind: type[Kind]) -> Kind | None:
        """What `tasks` finds. For threads of requests, for which the event loop waits."""
        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(self.tasks.find(key, kind), self.loop).result()

    async def encode(self, medium: Media, **formats: str | None) -> EncodedMedia:
        """The file of a generated medium, kept for `/v1/media` from now on.

        `formats` are those of modalities, where they are not the default.
        """
        form = formats.get(modality_of(medium))
        encoded = await asyncio.to_thread(encode_media, medium, form)
        self.store.put(encoded.sha256, encoded)
        return encoded

    def link(self, http: HTTPRequest, encoded: EncodedMedia) -> str:
        """Where the file of a medium can be fetched for a while."""
        return str(http.url_for("read_stored_medium", sha256=encoded.sha256))

    # --- the end

    def drain(self) -> None:
        """No more requests; open ones end within the settings' seconds. For signal handlers."""
        self.is_draining = True
        if self.loop is not None:
            seconds = self.settings.drain
            self.loop.call_soon_threadsafe(self.loop.call_later, seconds, self.cancel_all)

    def cancel_all(self) -> None:
        for place in list(self.places):
            place.cancel()

    def close(self) -> None:
        self.cancel_all()
        self.engine.close()
        self.preparing.shutdown(wait=False, cancel_futures=True)
        self.batching.shutdown(wait=False, cancel_futures=True)


async def in_thread(work: Callable[..., Result], *arguments: Any) -> Result:
    """The result of work that raises ValueError for what is wrong with the request."""
    try:
        return await asyncio.to_thread(work, *arguments)
    except ValueError as error:
        raise invalid(error) from error

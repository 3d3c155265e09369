"""Answers the lines of a batch as `anygen generate` does, in slots that clients leave free."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from anygen.batch.answering import BatchSettings
from anygen.batch.records import BatchRecord
from anygen.batch.runner import BatchStart, generate_file
from anygen.checkpoints.model_id import ModelId
from anygen.core.media import Media
from anygen.core.modality import MediaModality
from anygen.generation.answer import Answer, AnswerBuilder
from anygen.generation.engine import MAX_SLOTS
from anygen.generation.events import Done
from anygen.generation.request import Request
from anygen.serve.content import MessageReader
from anygen.serve.errors import ApiError
from anygen.serve.service import Service
from anygen.serve.store import Kind

Result = TypeVar("Result")
SLOTS = MAX_SLOTS // 2  # that a batch may take of an idle server; the others are the clients'
CHECK_SECONDS = 1.0  # after which a thread that waits for the event loop looks whether it is to end


class StoppedError(BaseException):
    """A batch is to end in the middle of a row, which is then no row that has failed."""


@dataclass(eq=False)
class BatchRun:
    """One batch: `work` is for a thread of its own, `stop` for the event loop."""

    service: Service
    data: bytes  # the lines
    used: Done = Done("stop", 0, 0, 0)  # tokens of all answers so far
    is_stopped: bool = False

    def release(self) -> None:
        """Ends what is still being answered."""
        self.is_stopped = True

    def work(
        self,
        on_start: Callable[[BatchStart], None],
        on_record: Callable[[BatchRecord, Path], None],
    ) -> None:
        """Answers all lines. `on_record` gets each record, and the folder of its media.

        Raises ValueError for lines with one id, and StoppedError.
        """
        self.check_stopped()  # others may have kept the thread busy for long
        with tempfile.TemporaryDirectory(prefix="anygen-batch-") as name:
            folder = Path(name)
            source = folder / "lines.jsonl"
            source.write_bytes(self.data)
            settings = BatchSettings(
                folder / "out",
                options=self.service.settings.options,
                batch_size=SLOTS,
                metadata=False,
                read_medium=self.read_medium,
            )
            for record in generate_file(lambda: self, source, settings, on_start):
                on_record(record, settings.out)

    def read_medium(self, url: str, modality: MediaModality, where: str) -> Media:
        """A medium of a line. It comes from where those of other requests come, and from no path.

        Raises ValueError.
        """
        service = self.service
        reader = MessageReader(self.find, service.settings.max_media, service.settings.media_hosts)
        try:
            return reader.medium(url, modality, where)
        except ApiError as error:
            raise ValueError(error.detail) from error

    def find(self, key: str, kind: type[Kind]) -> Kind | None:
        return self.on_loop(partial(self.service.tasks.find, key, kind))

    # --- what batch generation needs of a model

    @property
    def model_id(self) -> ModelId:
        return self.service.model.model_id

    def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
        """Answers by the engine of the server. Raises ValueError and StoppedError."""

        async def answers() -> list[Answer]:
            answering = map(self.answer, requests)  # each to its end, whatever becomes of others
            outcomes = await asyncio.gather(*answering, return_exceptions=True)
            return list(map(self.counted, [outcome_of(outcome) for outcome in outcomes]))

        return self.on_loop(answers)

    async def answer(self, request: Request) -> tuple[Answer, Done]:
        place = await self.service.spare_place(SLOTS)
        builder, done = AnswerBuilder(), Done("cancelled", 0, 0, 0)
        try:
            job = await self.service.start(place, request)
            async for event in job.events():
                builder.add(event)
                if isinstance(event, Done):
                    done = event
        except ApiError as error:
            raise ValueError(error.detail) from error
        finally:
            place.release()
        return builder.answer(), done

    def counted(self, outcome: tuple[Answer, Done]) -> Answer:
        answer, done = outcome
        self.used = Done(
            "stop",
            self.used.prompt_tokens + done.prompt_tokens,
            self.used.cached_tokens + done.cached_tokens,
            self.used.new_tokens + done.new_tokens,
        )
        return answer

    def on_loop(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """The result of work on the event loop of the server. Raises StoppedError."""
        self.check_stopped()
        loop = self.service.loop
        assert loop is not None
        future = asyncio.run_coroutine_threadsafe(work(), loop)
        while True:
            try:
                return future.result(CHECK_SECONDS)
            except TimeoutError:
                self.check_stopped(future)

    def check_stopped(self, future: Future[Any] | None = None) -> None:
        """Raises StoppedError, after it has ended work on the event loop."""
        if self.is_stopped or self.service.is_draining:
            if future:
                future.cancel()
            raise StoppedError


def outcome_of(outcome: Result | BaseException) -> Result:
    """Raises what took the place of a result."""
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome

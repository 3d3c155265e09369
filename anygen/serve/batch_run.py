"""Answers the lines of a batch by their endpoint, in slots that clients leave free.

A line is a request that no client waits for: the application gets its body as if it had been
posted, so that it has the answer, or the error, of a request. The planner of `anygen generate`
reads the rows, groups them and says when they are all answered.
"""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import Request as HTTPRequest
from starlette.types import Message

from anygen.batch.answering import BatchSettings
from anygen.batch.openai_lines import flag
from anygen.batch.records import BatchRecord
from anygen.batch.rows import BatchRow
from anygen.batch.runner import BatchStart, generate_file
from anygen.generation.request import derive_seed
from anygen.serve.errors import ApiError, invalid_json, to_json
from anygen.serve.service import SPARE_SLOTS, Service, is_spare

Result = TypeVar("Result")
CHECK_SECONDS = 1.0  # after which a thread that waits for the event loop looks whether it is to end
# Of the request that began a batch, what its lines have, too: links in answers depend on it.
SHARED = ("type", "asgi", "http_version", "scheme", "server", "client", "root_path")
log = logging.getLogger("anygen.serve")


class StoppedError(BaseException):
    """A batch is to end in the middle of a row, which is then no row that has failed."""


@dataclass(frozen=True)
class Reply:
    """What the endpoint replies to a line."""

    status: int
    body: dict[str, Any]

    @property
    def is_ok(self) -> bool:
        return self.status == 200


@dataclass(eq=False)
class BatchRun:
    """One batch: `work` is for a thread of its own, `release` for the event loop."""

    service: Service
    http: HTTPRequest  # that began it
    endpoint: str
    is_stopped: bool = False
    replies: dict[str, Reply] = field(default_factory=dict)  # by row, until they are taken

    def release(self) -> None:
        """Ends what is still being answered."""
        self.is_stopped = True

    def work(
        self,
        source: Path,
        on_start: Callable[[BatchStart], None],
        on_reply: Callable[[str, Reply], None],
    ) -> None:
        """Answers JSON lines that each have an id and a body, which is a text in JSON.

        `on_reply` gets the replies in order; those that there are, if the batch is stopped. Raises
        ValueError, as `on_reply` does, and StoppedError.
        """
        self.check_stopped()  # others may have kept the thread busy for long
        with tempfile.TemporaryDirectory(prefix="anygen-batch-") as name:
            settings = BatchSettings(
                Path(name),
                options=self.service.settings.options,
                batch_size=SPARE_SLOTS,
                answer_rows=self.answer_rows,
            )
            try:
                for record in generate_file(lambda: self.service.model, source, settings, on_start):
                    on_reply(record["id"], self.replies.pop(record["id"]))
            except StoppedError:
                for row_id, reply in self.replies.items():
                    on_reply(row_id, reply)
                raise

    def answer_rows(self, rows: Sequence[BatchRow]) -> Iterator[BatchRecord]:
        """Records that say how rows went; the replies are in `replies`. Raises StoppedError."""

        replies: dict[str, Reply] = {}

        async def answer(row: BatchRow) -> None:
            replies[row.id] = await self.reply(row)

        async def answer_all() -> None:
            await asyncio.gather(*map(answer, rows))

        try:
            self.on_loop(answer_all)
        finally:  # some, if the batch is stopped
            self.replies |= {row.id: replies[row.id] for row in rows if row.id in replies}
        for row in rows:
            status: Any = "ok" if replies[row.id].is_ok else "error"
            yield {"id": row.id, "status": status, "seed": seed_of(row), "content": []}

    async def reply(self, row: BatchRow) -> Reply:
        """What the endpoint replies to a row, whose seed is derived from its id if it has none."""
        try:
            body = json.loads(row.data["body"])
            data = to_json(with_seed(body, seed_of(row)))
        except RecursionError as error:  # here is less room for depth than in a file
            return refusal(invalid_json(error))
        if isinstance(body, dict) and flag(body.get("stream")):
            problem = "stream: a line of a batch is answered as a whole; leave it out or give False"
            return refusal(ApiError(400, problem, "unsupported_value", "stream"))
        is_spare.set(True)
        return await self.post(data)

    async def post(self, body: bytes) -> Reply:
        """The reply of the application to the body, without a connection."""
        headers = [(b"content-type", b"application/json")]
        headers += [(name, value) for name, value in self.http.headers.raw if name == b"host"]
        scope = {
            **{name: self.http.scope[name] for name in SHARED if name in self.http.scope},
            **{"method": "POST", "path": self.endpoint, "raw_path": self.endpoint.encode()},
            **{"query_string": b"", "headers": headers},
        }
        received: list[Message] = [{"type": "http.request", "body": body}]
        sent: list[Message] = []

        async def receive() -> Message:
            return received.pop() if received else await asyncio.Future()  # nobody disconnects

        async def send(message: Message) -> None:
            sent.append(message)

        try:
            await self.http.app(scope, receive, send)
        except Exception:  # the reply, which has been sent, says nothing of it
            log.exception("a line of a batch failed")
        data = b"".join(message.get("body", b"") for message in sent)
        return Reply(sent[0]["status"], json.loads(data))

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


def refusal(error: ApiError) -> Reply:
    return Reply(error.status_code, error.envelope)


def seed_of(row: BatchRow) -> int:
    """The seed of a row that names none: that of `anygen generate --seed 0`."""
    return derive_seed(0, row.id)


def with_seed(body: Any, seed: int) -> Any:
    """The body with the seed, if it names none. One that is malformed is left to the endpoint."""
    if not isinstance(body, dict) or body.get("seed") is not None:
        return body
    own = body.get("anygen", {})
    if not isinstance(own, dict) or own.get("seed") is not None:
        return body
    return {**body, "anygen": {**own, "seed": seed}}

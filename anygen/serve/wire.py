"""Answers on the wire: server-sent events, and plain ones that end when the client does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, TypeVar

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from anygen.serve.errors import ApiError, to_json
from anygen.serve.service import Place

Result = TypeVar("Result")
PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"
PING_SECONDS = 10.0
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
CLOSED = 499  # nobody reads this status: the client has gone
log = logging.getLogger("anygen.serve")


def frame(data: Any, event: str | None = None) -> bytes:
    """One event, which is written at once; a client's parser may not expect it in pieces."""
    name = b"" if event is None else b"event: %s\n" % event.encode()
    return b"%sdata: %s\n\n" % (name, to_json(data))


class StalledReaderError(Exception):
    """A client has read nothing for as long as the settings allow."""


class EventStream(Response):
    """A stream of frames. It gives up its place when it ends, or the client stops to read."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncIterator[bytes], place: Place) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self.frames, self.place = frames, place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            writing = asyncio.ensure_future(self.write(send))
            await first_of(writing, receive)
        except StalledReaderError as error:
            log.warning("%s", error)
        finally:
            self.place.release()

    async def write(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await self.send(send, start)
        await self.send(send, body_of(PING))
        async for data in with_pings(self.frames):
            await self.send(send, body_of(data))
        await self.send(send, body_of(b"", more=False))

    async def send(self, send: Send, message: Message) -> None:
        """Raises StalledReaderError."""
        seconds = self.place.service.settings.write_seconds
        try:
            await asyncio.wait_for(send(message), seconds)
        except TimeoutError:
            raise StalledReaderError(
                f"a client read nothing for {seconds:g} s, so that its answer is ended"
            ) from None


def body_of(data: bytes, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def with_pings(frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The frames, and comments while there are none, so that no proxy ends the connection."""
    following = asyncio.ensure_future(anext(frames, None))
    try:
        while True:
            done, _ = await asyncio.wait([following], timeout=PING_SECONDS)
            if not done:
                yield PING
                continue
            data = following.result()
            if data is None:
                return
            yield data
            following = asyncio.ensure_future(anext(frames, None))
    finally:
        following.cancel()


async def interleaved(streams: Sequence[AsyncIterator[Result]]) -> AsyncIterator[Result]:
    """What several streams hold, as it comes. An error of one ends all."""
    following = {asyncio.ensure_future(anext(stream, None)): stream for stream in streams}
    try:
        while following:
            done, _ = await asyncio.wait(following, return_when=asyncio.FIRST_COMPLETED)
            for future in [each for each in following if each in done]:
                stream = following.pop(future)
                data = future.result()
                if data is not None:
                    yield data
                    following[asyncio.ensure_future(anext(stream, None))] = stream
    finally:
        for future in following:
            future.cancel()


async def plain(http: HTTPRequest, place: Place, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of work that ends when the client disconnects. Gives up its place."""
    try:
        return await while_there(http, work)
    finally:
        place.release()


async def while_there(http: HTTPRequest, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of work that ends when the client disconnects. Raises ApiError if it does."""
    working = asyncio.ensure_future(work)
    if not await first_of(working, http.receive):
        raise ApiError(CLOSED, "the client has gone", "client_gone")
    return working.result()


async def first_of(work: asyncio.Future[Any], receive: Receive) -> bool:
    """Waits for the end of work, whose errors are raised; False if the client went before it."""
    leaving = asyncio.ensure_future(disconnected(receive))
    try:
        await asyncio.wait([work, leaving], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
            return True
        return False
    finally:
        leaving.cancel()
        work.cancel()


async def disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

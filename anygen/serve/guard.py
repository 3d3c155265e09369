"""What every request passes first: host, origin, key and size. A plain ASGI middleware."""

from __future__ import annotations

import asyncio
import hmac
import uuid
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anygen.serve.errors import ApiError, error_response
from anygen.serve.metrics import Metrics
from anygen.serve.settings import ServeSettings, is_loopback

SAFE_METHODS = ("GET", "HEAD")
BODY_SECONDS = 60.0  # for the whole body of a request
# In JSON, whose values have commas between them. Nothing else is answered while a body is parsed:
# a million values take half a second or more, in a thread as well, since parsers keep the GIL.
MAX_COMMAS = 250_000


class Guard:
    """Refuses what the settings do not allow, gives each reply an id, and counts it."""

    def __init__(
        self,
        app: ASGIApp,
        settings: ServeSettings,
        metrics: Metrics,
        open_paths: Sequence[str],
        gives_ids: bool = True,
    ) -> None:
        """`open_paths` need no key; `gives_ids` is false where a proxy gives replies their ids."""
        self.app, self.settings, self.metrics = app, settings, metrics
        self.open_paths, self.gives_ids = open_paths, gives_ids
        self.keys = [key.encode() for key in settings.keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope, send = as_get(scope), without_body(send)
        request_id = f"req_{uuid.uuid4().hex}"

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                if self.gives_ids:
                    MutableHeaders(scope=message)["x-request-id"] = request_id
                self.metrics.requests.labels(path_of(scope), message["status"]).inc()
            await send(message)

        try:
            self.check(scope)
            received = await self.read(Headers(scope=scope), receive)
        except ApiError as error:
            await error_response(error)(scope, receive, send_with_id)
            return
        if received is not None:
            await self.app(scope, replay(received, receive), send_with_id)

    def check(self, scope: Scope) -> None:
        """Raises ApiError."""
        headers = Headers(scope=scope)
        self.check_host(headers.get("host", ""))
        if scope["method"] not in SAFE_METHODS:
            check_origin(headers)
        if self.keys and scope["path"] not in self.open_paths:
            self.check_key(headers.get("authorization", ""))

    def check_host(self, host: str) -> None:
        """Names that lead to this machine by the will of others are refused (DNS rebinding)."""
        name = name_of(host)
        allowed = [host.lower() for host in self.settings.allow_hosts]
        if name in allowed or (self.settings.is_local and is_loopback(name)):
            return
        if self.settings.is_local or allowed:
            raise ApiError(403, "this server does not answer to that host name", "unknown_host")

    def check_key(self, authorization: str) -> None:
        scheme, _, key = authorization.partition(" ")
        given_key = key.strip().encode() if scheme.lower() == "bearer" else b""
        same = [hmac.compare_digest(given_key, known) for known in self.keys]  # all of them, always
        if not any(same):
            raise ApiError(
                401,
                "give a valid key: Authorization: Bearer KEY",
                "invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    async def read(self, headers: Headers, receive: Receive) -> bytes | None:
        """The whole body; None if the client is gone. Raises ApiError."""
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self.settings.max_body:
            raise self.too_large()
        try:
            body = await asyncio.wait_for(self.collect(receive), BODY_SECONDS)
        except TimeoutError:
            raise ApiError(
                400, f"the body did not arrive within {BODY_SECONDS:.0f} s", "body_timeout"
            ) from None
        if body and not headers.get("content-type", "").startswith("multipart/"):
            check_values(body)
        return body

    async def collect(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self.settings.max_body:
                raise self.too_large()
            if not message.get("more_body"):
                return bytes(body)

    def too_large(self) -> ApiError:
        limit = self.settings.max_body
        return ApiError(413, f"the body has more than {limit} bytes", "body_too_large")


def as_get(scope: Scope) -> Scope:
    """HEAD is answered as GET of the whole is, without the body (RFC 9110, 9.3.2 and 14.2)."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
    return {**scope, "method": "GET", "headers": headers}


def without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        await send({**message, "body": b""} if "body" in message else message)

    return send_head


def check_values(body: bytes) -> None:
    """Raises ApiError for JSON that would hold up other requests while it is parsed."""
    if body.count(b",") > MAX_COMMAS:
        raise ApiError(
            413, f"the body has more than {MAX_COMMAS} commas; send less at once", "body_too_large"
        )


def path_of(scope: Scope) -> str:
    """The path of the endpoint, without what stands for parameters; clients cannot invent any."""
    route = scope.get("route")
    return str(route.path) if route else "none"


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more, and then what follows it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


def check_origin(headers: Headers) -> None:
    """A browser names the page that sends a request; only pages of this server may."""
    origin = headers.get("origin")
    if origin is not None and site_of(origin) != headers.get("host"):
        raise ApiError(403, "pages of other hosts may not call this server", "foreign_origin")


def site_of(origin: str) -> str:
    """`http://localhost:8000` -> `localhost:8000`; empty for what is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def name_of(host: str) -> str:
    """`[::1]:8000` -> `::1`, `localhost:8000` -> `localhost`."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""

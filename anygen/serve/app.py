"""The application: routes, errors and the guard in front of them; and its process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any, Protocol

import h11
import uvicorn
from fastapi import APIRouter, Depends, FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from anygen.core.version import __version__
from anygen.serve.api import audio, batches, chat, files, images, responses, status, videos
from anygen.serve.api.common import check_query
from anygen.serve.errors import (
    RESPONSES,
    WireResponse,
    draining,
    error_response,
    install_handlers,
)
from anygen.serve.guard import Guard
from anygen.serve.service import Service
from anygen.serve.settings import ServeSettings

ENDPOINTS = (status, responses, chat, images, audio, videos, files, batches)
OPEN_PATHS = ("/health",)  # that need no key
# Clients close idle connections before that (httpx after 5 s), so that none sends its next request
# on one that the server is just closing.
IDLE_SECONDS = 75
HEADER_SECONDS = 60.0  # for the whole header of a request
LAST_SECONDS = 5  # for answers that were cancelled to be sent


class Extra(Protocol):
    """More endpoints than those of the API, and which of their paths need no key."""

    router: APIRouter

    @property
    def paths(self) -> Sequence[str]: ...


def bare_app(**settings: Any) -> FastAPI:
    """An application without routes, whose errors have one shape and whose pages are its own."""
    app = FastAPI(
        title="anygen",
        version=__version__,
        docs_url=None,  # its page loads scripts of another host
        redoc_url=None,
        redirect_slashes=False,
        default_response_class=WireResponse,
        responses=RESPONSES,
        **settings,
    )
    install_handlers(app)
    return app


def build_app(service: Service, extra: Extra | None = None, gives_ids: bool = True) -> ASGIApp:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.loop = asyncio.get_running_loop()
        yield
        await service.tasks.close()
        service.close()

    app = bare_app(lifespan=lifespan)
    app.state.service = service
    for module in ENDPOINTS:
        app.include_router(module.router, dependencies=[Depends(check_query)])
    if extra:
        app.include_router(extra.router)
    open_paths = (*OPEN_PATHS, *(extra.paths if extra else ()))
    return Guard(app, service.settings, service.metrics, open_paths, gives_ids)


class Connection(H11Protocol):
    """Closes what sends no whole header in time, or after the reply more and more of a body.

    uvicorn itself only limits the time between two requests.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.deadline: asyncio.TimerHandle | None = None  # of the header that is to come

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self.unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        is_answered = self.conn.our_state in (h11.DONE, h11.MUST_CLOSE)
        if self.conn.their_state is not h11.IDLE and not is_answered:
            self.unwatch()
        elif self.deadline is None:
            self.watch()

    def watch(self) -> None:
        self.deadline = self.loop.call_later(HEADER_SECONDS, self.timeout_keep_alive_handler)

    def unwatch(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


def ended_in_order(app: ASGIApp) -> ASGIApp:
    """The application, whose requests are told so if the server ends before they are answered.

    uvicorn cancels them then, and would log each as an error of the application.
    """

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await app(scope, receive, noted)
        except asyncio.CancelledError:
            if scope["type"] == "http" and not has_begun:
                await error_response(draining())(scope, receive, send)

    return run


class AppServer(uvicorn.Server):
    """The process of an application; `on_ready` is called once it listens."""

    def __init__(
        self, app: ASGIApp, on_ready: Callable[[], object] | None = None, drain: float = 0.0
    ) -> None:
        """`drain`: seconds that open requests get when the server ends."""
        config = uvicorn.Config(
            ended_in_order(app),
            loop="asyncio",  # these two behave alike whatever else is installed
            http=Connection,
            log_level="warning",
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=int(drain) + LAST_SECONDS,
        )
        super().__init__(config)
        self.on_ready = on_ready

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Gives requests that are ended time to say so: the process ends right after."""
        await super().shutdown(sockets)
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=LAST_SECONDS)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.on_ready:
            self.on_ready()


class Server(AppServer):
    """A server of a model, which answers what is open before it ends."""

    def __init__(
        self,
        service: Service,
        extra: Extra | None = None,
        on_ready: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(build_app(service, extra), on_ready, service.settings.drain)
        self.service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.service.drain()
        super().handle_exit(sig, frame)


def bind(settings: ServeSettings) -> socket.socket:
    """A socket at the address of the settings. Raises ValueError if it cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux then drops what a stalled client never reads
        milliseconds = int(settings.write_seconds * 1000)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    try:
        found.bind((settings.host, settings.port))
    except OSError as error:
        found.close()
        raise ValueError(
            f"{settings.host}:{settings.port}: cannot listen there: {error.strerror}; choose "
            "another --host or --port"
        ) from None
    return found


def address_of(found: socket.socket) -> str:
    host, port, *_ = found.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

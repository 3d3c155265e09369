"""What endpoints share: the service behind them, ids, errors, lists and files."""

from __future__ import annotations

import operator
import re
import secrets
import time
from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import Field
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from anygen.core.schema import Strict
from anygen.serve.encoded_media import EncodedMedia
from anygen.serve.errors import ApiError, model_error, unknown_parameter
from anygen.serve.service import Service
from anygen.serve.store import Kind, Tasks


async def service_of(http: HTTPRequest) -> Service:  # not in a thread, as plain functions are
    service: Service = http.app.state.service
    return service


RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
FILE_HEADERS = {
    "Accept-Ranges": "bytes",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox",
}


async def tasks_of(http: HTTPRequest) -> Tasks:
    service: Service = http.app.state.service
    return service.tasks


ServiceOf = Annotated[Service, Depends(service_of)]
TasksOf = Annotated[Tasks, Depends(tasks_of)]


async def find_kept(tasks: Tasks, key: str, kind: type[Kind], absent: ApiError) -> Kind:
    """What is kept under an id. Raises `absent` if nothing of this kind is."""
    value = await tasks.find(key, kind)
    if value is None:
        raise absent
    return value


def new_id(prefix: str) -> str:
    """One that nobody guesses; later ones of a prefix come after it in order of the alphabet."""
    return f"{prefix}_{time.time_ns():016x}{secrets.token_hex(8)}"


def failure(error: Exception) -> ApiError:
    """What a client gets to know of an error in the middle of an answer."""
    if isinstance(error, ApiError):
        return error
    known = isinstance(error, ValueError)
    return model_error(str(error) if known else "the server failed; its log says why")


Order = Literal["asc", "desc"]  # of the times of creation


class Page(Strict):
    """Which part of a list: OpenAI's parameters."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    after: str | None = None  # the id of the last entry of the page before
    order: Order = "desc"


PageOf = Annotated[Page, Query()]


def listed(entries: list[dict[str, Any]], page: Page, prefix: str) -> dict[str, Any]:
    """A page of entries, the newest of which come first; their ids have a `prefix`.

    The last entry of the page before may be deleted by now. Raises ApiError.
    """
    if page.after is not None:
        if not re.fullmatch(rf"{prefix}_[0-9a-f]{{32}}", page.after):
            problem = f"after: {page.after!r} is no id of this list"
            raise ApiError(400, problem, "invalid_value", "after")
        is_later = operator.gt if page.order == "asc" else operator.lt
        entries = [entry for entry in entries if is_later(entry["id"], page.after)]
    if page.order == "asc":
        entries = entries[::-1]
    shown = entries[: page.limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(shown) < len(entries),
    }


async def check_query(http: HTTPRequest) -> None:
    """Raises ApiError for a parameter in the URL that the route does not have."""
    route: APIRoute = http.scope["route"]
    known = {each.alias for each in get_flat_params(route.dependant)} - http.path_params.keys()
    for name in http.query_params:
        if name not in known:
            raise unknown_parameter(name)


def file_response(
    http: HTTPRequest, file: EncodedMedia, headers: dict[str, str] | None = None
) -> Response:
    """A file, or the part of it that the header Range names: players of videos ask for parts.

    Several ranges at once get the whole file, as RFC 9110 allows.
    """
    all_headers = {**FILE_HEADERS, **(headers or {})}
    found = RANGE.fullmatch(http.headers.get("range", ""))
    if not found or found.groups() == ("", ""):
        return Response(file.data, media_type=file.media_type, headers=all_headers)
    start, end = bounds(found[1], found[2], file.size)
    if start >= end:
        headers = {"Content-Range": f"bytes */{file.size}"}
        raise ApiError(416, "the file has no such range", "invalid_range", headers=headers)
    all_headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    return Response(file.data[start:end], 206, all_headers, file.media_type)


def bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """The start and the end of a range; without a first byte, it is that many from the end."""
    if not first:
        return size - position(last, size), size
    return position(first, size), min(size, position(last, size) + 1) if last else size


def position(digits: str, size: int) -> int:
    """The number, or the size if that is less; Python reads no more than 4300 digits."""
    digits = digits.lstrip("0") or "0"
    return size if len(digits) > len(str(size)) else min(int(digits), size)

"""What endpoints share: the service behind them, ids, errors, lists and files."""

from __future__ import annotations

import re
import uuid
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from anygen.serve.encoded_media import EncodedMedia
from anygen.serve.errors import ApiError, model_error
from anygen.serve.service import Service
from anygen.serve.store import Tasks


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


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def failure(error: Exception) -> ApiError:
    """What a client gets to know of an error in the middle of an answer."""
    if isinstance(error, ApiError):
        return error
    known = isinstance(error, ValueError)
    return model_error(str(error) if known else "the server failed; its log says why")


def listed(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """One page of OpenAI's lists, which holds everything."""
    return {
        "object": "list",
        "data": entries,
        "first_id": entries[0]["id"] if entries else None,
        "last_id": entries[-1]["id"] if entries else None,
        "has_more": False,
    }


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

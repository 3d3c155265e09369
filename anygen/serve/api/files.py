"""/v1/files: media that clients send once, and name in requests by their ids."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from anygen.core.schema import Strict
from anygen.io.media_files import read_bytes
from anygen.serve.api.common import Page, ServiceOf, TasksOf, find_kept, listed, new_id
from anygen.serve.api.forms import UploadField, described_body, read_form
from anygen.serve.errors import ApiError, invalid
from anygen.serve.parameters import only
from anygen.serve.service import Service
from anygen.serve.store import StoredFile, Tasks

router = APIRouter()
BATCH = "batch"
PURPOSES = ("user_data", "vision", "assistants", BATCH)  # OpenAI's others need what is not here


class FileForm(Strict):
    file: UploadField
    purpose: str
    expires_after: Annotated[Any, only()] = None  # all that is kept is kept equally long


@router.post("/v1/files", openapi_extra=described_body(FileForm))
async def create_file(http: HTTPRequest, service: ServiceOf) -> dict[str, Any]:
    """Keeps a medium, or the lines of a batch, of a multipart form: `file` and `purpose`."""
    form = await read_form(http, FileForm)
    if form.purpose not in PURPOSES:
        raise ApiError(
            400,
            f"purpose: {form.purpose!r} is none of {', '.join(PURPOSES)}",
            "unsupported_value",
            "purpose",
        )
    if form.purpose != BATCH:  # whose lines are checked when the batch begins
        try:
            await asyncio.to_thread(read_bytes, form.file.data, "file")
        except ValueError as error:
            raise invalid(error, "file") from error
    return describe(keep(form.file.data, form.file.name, form.purpose, service))


def keep(data: bytes, name: str, purpose: str, service: Service) -> StoredFile:
    """A file that is kept from now on. Raises ApiError."""
    now = int(time.time())
    kept = StoredFile(
        id=new_id("file"),
        data=data,
        filename=name,
        purpose=purpose,
        created_at=now,
        expires_at=now + int(service.settings.store_seconds),
    )
    if not service.store.put(kept.id, kept):
        raise ApiError(413, "the file is larger than all that this server keeps", "file_too_large")
    return kept


class FilePage(Page):
    limit: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    purpose: str | None = None


@router.get("/v1/files")
async def list_files(page: Annotated[FilePage, Query()], tasks: TasksOf) -> dict[str, Any]:
    files = await tasks.describe(StoredFile, describe)
    of_purpose = [file for file in files if page.purpose in (None, file["purpose"])]
    return listed(of_purpose, page, "file")


@router.get("/v1/files/{file_id}")
async def read_file(file_id: str, tasks: TasksOf) -> dict[str, Any]:
    return describe(await find(file_id, tasks))


@router.get("/v1/files/{file_id}/content", response_class=Response)
async def read_file_content(file_id: str, tasks: TasksOf) -> Response:
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
    data = (await find(file_id, tasks)).data
    return Response(data, media_type="application/octet-stream", headers=headers)


@router.delete("/v1/files/{file_id}")
async def delete_file(file_id: str, tasks: TasksOf) -> dict[str, Any]:
    if not await tasks.drop(file_id, StoredFile):
        raise not_found(file_id, "file_id")
    return {"id": file_id, "object": "file", "deleted": True}


async def find(file_id: str, tasks: Tasks, param: str = "file_id") -> StoredFile:
    return await find_kept(tasks, file_id, StoredFile, not_found(file_id, param))


def not_found(file_id: str, param: str) -> ApiError:
    return ApiError(404, f"this server has no file {file_id!r}", "file_not_found", param)


def describe(kept: StoredFile) -> dict[str, Any]:
    return {
        "id": kept.id,
        "object": "file",
        "bytes": kept.size,
        "created_at": kept.created_at,
        "expires_at": kept.expires_at,
        "filename": kept.filename,
        "purpose": kept.purpose,
        "status": "processed",
    }

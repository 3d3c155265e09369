"""/v1/batches: many requests in a file, answered by and by as `anygen generate` answers them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from starlette.requests import Request as HTTPRequest

from anygen.batch.openai_lines import IMAGES, URLS, is_openai_line
from anygen.batch.records import BatchRecord
from anygen.batch.runner import BatchStart
from anygen.core.media import Media, modality_of
from anygen.core.schema import Strict
from anygen.core.text import from_json
from anygen.generation.events import Done, Event, MediaDone, MediaStarted, TextDelta
from anygen.generation.request import derive_seed
from anygen.io.media_files import read_bytes
from anygen.serve.api.chat import ChatRequest, ChatWriter
from anygen.serve.api.common import ServiceOf, TasksOf, failure, listed, new_id
from anygen.serve.api.files import BATCH, find, keep
from anygen.serve.api.responses import ResponsesRequest, ResponseWriter, usage_of
from anygen.serve.batch_run import BatchRun, StoppedError
from anygen.serve.encoded_media import DEFAULTS, FORMATS, EncodedMedia
from anygen.serve.errors import ApiError, invalid, model_error, to_json
from anygen.serve.parameters import only
from anygen.serve.service import Service
from anygen.serve.store import Tasks

router = APIRouter()
Status = Literal[
    "validating", "in_progress", "finalizing", "completed", "failed", "cancelling", "cancelled"
]
CHAT = "/v1/chat/completions"
COUNTS = ("total", "completed", "failed")
MOMENTS = (
    *("created_at", "in_progress_at", "finalizing_at", "completed_at", "failed_at"),
    *("expires_at", "expired_at", "cancelling_at", "cancelled_at"),
)
log = logging.getLogger("anygen.serve")
TASK_BYTES = 2000  # that a batch takes beside its files, about
MAX_FAULTS = 10  # of lines, that are shown
OPEN = ("validating", "in_progress", "finalizing")


class BatchRequest(Strict):
    input_file_id: str
    endpoint: str
    completion_window: Literal["24h"]
    metadata: dict[str, str] | None = None
    output_expires_after: Annotated[Any, only()] = None  # all that is kept is kept equally long


@dataclass(eq=False)
class Batch:
    """A batch that is being worked on, or was."""

    request: BatchRequest
    model: str
    id: str = field(default_factory=lambda: new_id("batch"))
    status: Status = "validating"
    times: dict[str, int] = field(default_factory=dict)  # such as completed_at
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    files: dict[str, str] = field(default_factory=dict)  # output_file_id and error_file_id
    errors: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.times["created_at"] = int(time.time())

    @property
    def size(self) -> int:
        return TASK_BYTES

    def become(self, status: Status) -> None:
        self.status = status
        self.times[f"{status}_at"] = int(time.time())

    def describe(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.request.endpoint,
            "model": self.model,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "input_file_id": self.request.input_file_id,
            "completion_window": self.request.completion_window,
            "status": self.status,
            "output_file_id": self.files.get("output_file_id"),
            "error_file_id": self.files.get("error_file_id"),
            **{moment: self.times.get(moment) for moment in MOMENTS},
            "request_counts": self.counts,
            "usage": self.usage,
            "metadata": self.request.metadata,
        }


@dataclass
class BatchPlace:
    """The right of a batch to be worked on."""

    batch: Batch
    run: BatchRun

    def release(self) -> None:
        if self.batch.status in OPEN:
            self.batch.become("cancelling")
        self.run.release()


@router.post("/v1/batches")
async def create_batch(
    body: BatchRequest, http: HTTPRequest, service: ServiceOf, tasks: TasksOf
) -> dict[str, Any]:
    """Begins a batch; its lines are answered one after the other, when clients leave room."""
    if body.endpoint not in URLS:
        problem = f"endpoint: {body.endpoint!r} is none of {', '.join(URLS)}"
        raise ApiError(400, problem, "unsupported_value", "endpoint")
    file = await find(body.input_file_id, tasks, "input_file_id")
    if file.purpose != BATCH:
        problem = f"input_file_id: the purpose of that file is not {BATCH}"
        raise ApiError(400, problem, "invalid_value", "input_file_id")
    if service.is_draining:
        service.admit()  # raises what every request gets then
    batch, run = Batch(body, service.name), BatchRun(service, file.data)
    tasks.start(batch.id, batch, work(batch, run, service, http), BatchPlace(batch, run))
    return batch.describe()


@router.get("/v1/batches")
async def list_batches(tasks: TasksOf) -> dict[str, Any]:
    return listed(await tasks.describe(Batch, Batch.describe))


@router.get("/v1/batches/{batch_id}")
async def read_batch(batch_id: str, tasks: TasksOf) -> dict[str, Any]:
    return (await found(batch_id, tasks)).describe()


@router.post("/v1/batches/{batch_id}/cancel")
async def cancel_batch(batch_id: str, tasks: TasksOf) -> dict[str, Any]:
    """Ends a batch; what it has answered by then is kept."""
    await tasks.stop(batch_id, Batch)
    return (await found(batch_id, tasks)).describe()


async def found(batch_id: str, tasks: Tasks) -> Batch:
    batch = await tasks.find(batch_id, Batch)
    if batch is None:
        problem = f"this server has no batch {batch_id!r}"
        raise ApiError(404, problem, "batch_not_found", "batch_id")
    return batch


# --- the work


async def work(batch: Batch, run: BatchRun, service: Service, http: HTTPRequest) -> None:
    """A whole batch; whatever goes wrong with it is said in it."""
    output = Output(batch.request.endpoint, service, http)

    def start(begun: BatchStart) -> None:  # this and the next run in the thread of batches
        batch.counts["total"] = begun.pending
        batch.become("in_progress")

    def take(record: BatchRecord, folder: Path) -> None:
        run.on_loop(partial(output.add, record, folder))
        batch.counts["completed" if record["status"] == "ok" else "failed"] += 1

    end: Status = "completed"
    try:
        batch.errors = await asyncio.to_thread(all_faults, run.data, batch.request.endpoint)
        if not batch.errors:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(service.batching, run.work, start, take)
            batch.become("finalizing")
    except StoppedError:
        end = "cancelled"
    except ValueError as error:
        batch.errors = [fault(str(error), invalid(error).code)]
    except Exception as error:
        log.exception("a batch failed")
        batch.errors = [fault(failure(error).detail, failure(error).code)]
    try:
        batch.files = output.keep(batch.id)
    except ApiError as error:
        batch.errors = [fault(error.detail, error.code)]
    batch.usage = usage_of(run.used)
    batch.become("failed" if batch.errors else end)


def all_faults(data: bytes, endpoint: str) -> list[dict[str, Any]]:
    return list(faults(data, endpoint))


def faults(data: bytes, endpoint: str) -> Iterator[dict[str, Any]]:
    """What is wrong with lines, of the first few that are no requests to the endpoint."""
    lines = [(number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
    if not lines:
        yield fault("the file has no lines", "empty_file")
    ids: set[str] = set()
    problems = ((number, problem(line, endpoint, ids)) for number, line in lines)
    named = ((number, text) for number, text in problems if text)
    for number, text in itertools.islice(named, MAX_FAULTS):
        yield fault(text, "invalid_line", number)


def problem(line: bytes, endpoint: str, ids: set[str]) -> str | None:
    """What is wrong with a line; `ids` are those of the lines before, to which its own is added."""
    try:
        data = from_json(line.decode())
    except ValueError:
        return "is not JSON"
    if not isinstance(data, dict) or not is_openai_line(data):
        return "should be an object with custom_id, method, url and body"
    if not isinstance(data["custom_id"], str) or not data["custom_id"]:
        return "custom_id: should be a text that is not empty"
    if data.get("method") != "POST" or data.get("url") != endpoint:
        return f"should have the method POST and the url {endpoint}"
    if data["custom_id"] in ids:
        return f"custom_id: {data['custom_id']!r} is that of another line, too"
    ids.add(data["custom_id"])
    return None


def fault(message: str, code: str, line: int | None = None) -> dict[str, Any]:
    return {"message": message, "code": code, "line": line, "param": None}


# --- the output


@dataclass
class Output:
    """Lines of answers and of errors, in the order of the input."""

    endpoint: str
    service: Service
    http: HTTPRequest
    lines: dict[str, list[bytes]] = field(default_factory=lambda: {"output": [], "error": []})
    bytes: int = 0

    async def add(self, record: BatchRecord, folder: Path) -> None:
        """Raises ValueError if there is more than can be kept."""
        if record["status"] == "ok":
            status, body = 200, await self.body(record, folder)
        else:
            message, code = record.get("error", ""), record.get("code", "failed")
            error = model_error(message)
            if code in ("invalid", "empty"):
                error = ApiError(400, message, "invalid_value")
            status, body = error.status_code, error.envelope
        line = {
            "id": new_id("batch_req"),
            "custom_id": record["id"],
            "response": {"status_code": status, "request_id": new_id("req"), "body": body},
            "error": None,
        }
        data = to_json(line) + b"\n"
        self.bytes += len(data)
        if self.bytes > self.service.settings.store_bytes:
            raise ValueError("the output is larger than all that this server keeps")
        self.lines["output" if status == 200 else "error"].append(data)

    async def body(self, record: BatchRecord, folder: Path) -> dict[str, Any]:
        """What the endpoint answers, but for the tokens that were used."""
        answer = RecordedAnswer(record, folder, self.service)
        seed = record["seed"]
        if self.endpoint == IMAGES:
            media = [e.media async for e in answer.events() if isinstance(e, MediaDone)]
            data = [{"b64_json": (await answer.encode(medium)).base64} for medium in media]
            return {"created": int(time.time()), "data": data, "usage": None}
        if self.endpoint == CHAT:
            chat = ChatWriter(ChatRequest(messages=[]), [seed], self.service, self.http)
            chat.choices[0].writer.encode = answer.encode
            return {**await chat.whole([answer]), "usage": None}
        response = ResponseWriter(ResponsesRequest(input=""), None, seed, self.service, self.http)
        response.items.encode = answer.encode
        async for _ in response.items.events(answer.events()):
            pass
        return {**response.response(response.status()), "usage": None}

    def keep(self, name: str) -> dict[str, str]:
        """The ids of the files, of those that hold anything. Raises ApiError."""
        return {
            f"{kind}_file_id": keep(
                b"".join(lines), f"{name}_{kind}.jsonl", "batch_output", self.service
            ).id
            for kind, lines in self.lines.items()
            if lines
        }


class RecordedAnswer:
    """The events of an answer that a batch has made, with the files that it has written."""

    def __init__(self, record: BatchRecord, folder: Path, service: Service) -> None:
        self.record, self.folder, self.service = record, folder, service
        self.files: list[tuple[Media, EncodedMedia]] = []

    async def encode(self, medium: Media) -> EncodedMedia:
        """The file that the batch has written: a medium is not encoded twice."""
        return next(encoded for each, encoded in self.files if each is medium)

    async def events(self) -> AsyncIterator[Event]:
        part = 0
        for content in self.record["content"]:
            if "text" in content:
                yield TextDelta(content["text"])
                continue
            medium = await asyncio.to_thread(self.read, content["path"])
            yield MediaStarted(part, modality_of(medium))
            yield MediaDone(part, medium, derive_seed(self.record["seed"], part))
            part += 1
        yield Done(self.record.get("finish", "stop"), 0, 0, 0)

    def read(self, name: str) -> Media:
        path = self.folder / name
        data = path.read_bytes()
        medium = read_bytes(data, name)
        form = DEFAULTS[modality_of(medium)]
        encoded = EncodedMedia(data, form, FORMATS[modality_of(medium)][form][1])
        self.service.store.put(encoded.sha256, encoded)
        self.files.append((medium, encoded))
        return medium

"""/v1/batches: many requests in a file, answered by and by as their endpoint answers them."""

from __future__ import annotations

import asyncio
import codecs
import io
import itertools
import json
import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from fastapi import APIRouter
from starlette.requests import Request as HTTPRequest

from anygen.batch.openai_lines import URLS, is_openai_line
from anygen.batch.runner import BatchStart
from anygen.core.schema import Strict
from anygen.core.text import json_problem
from anygen.generation.events import Done
from anygen.serve.api.common import PageOf, ServiceOf, TasksOf, failure, find_kept, listed, new_id
from anygen.serve.api.files import BATCH, find, keep
from anygen.serve.api.responses import usage_of
from anygen.serve.batch_run import BatchRun, Reply, StoppedError
from anygen.serve.errors import ApiError, invalid, to_json
from anygen.serve.guard import check_values
from anygen.serve.parameters import Metadata, only
from anygen.serve.service import Service
from anygen.serve.store import Tasks

router = APIRouter()
Status = Literal[
    "validating", "in_progress", "finalizing", "completed", "failed", "cancelling", "cancelled"
]
COUNTS = ("total", "completed", "failed")
MOMENTS = (
    *("created_at", "in_progress_at", "finalizing_at", "completed_at", "failed_at"),
    *("expires_at", "expired_at", "cancelling_at", "cancelled_at"),
)
log = logging.getLogger("anygen.serve")
TASK_BYTES = 2000  # that a batch takes beside its files, about
MAX_FAULTS = 10  # of lines, that are shown
MAX_OPEN = 16  # batches at a time, each of which keeps its lines on the disk, and its output
OPEN = ("validating", "in_progress", "finalizing")


class BatchRequest(Strict):
    input_file_id: str
    endpoint: str
    completion_window: Literal["24h"]
    metadata: Metadata | None = None
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
    open_batches = sum(isinstance(each.value, Batch) for each in tasks.running.values())
    if open_batches >= MAX_OPEN:
        raise ApiError(
            429,
            f"{open_batches} batches are being answered or wait; try again later",
            "queue_full",
            headers={"Retry-After": str(service.retry_after())},
        )
    batch, run = Batch(body, service.name), BatchRun(service, http, body.endpoint)
    tasks.start(batch.id, batch, work(batch, run, file.data), BatchPlace(batch, run))
    return batch.describe()


@router.get("/v1/batches")
async def list_batches(page: PageOf, tasks: TasksOf) -> dict[str, Any]:
    return listed(await tasks.describe(Batch, Batch.describe), page, "batch")


@router.get("/v1/batches/{batch_id}")
async def read_batch(batch_id: str, tasks: TasksOf) -> dict[str, Any]:
    return (await found(batch_id, tasks)).describe()


@router.post("/v1/batches/{batch_id}/cancel")
async def cancel_batch(batch_id: str, tasks: TasksOf) -> dict[str, Any]:
    """Ends a batch; what it has answered by then is kept."""
    await tasks.stop(batch_id, Batch)
    return (await found(batch_id, tasks)).describe()


async def found(batch_id: str, tasks: Tasks) -> Batch:
    problem = f"this server has no batch {batch_id!r}"
    absent = ApiError(404, problem, "batch_not_found", "batch_id")
    return await find_kept(tasks, batch_id, Batch, absent)


# --- the work


async def work(batch: Batch, run: BatchRun, data: bytes) -> None:
    """A whole batch; whatever goes wrong with it is said in it."""
    output = Output(run.service)
    end: Status = "completed"
    try:
        await answer(batch, run, data, output)
    except StoppedError:
        end = "cancelled"
    except ValueError as error:
        batch.errors = [fault(error)]
    except Exception as error:
        log.exception("a batch failed")
        batch.errors = [fault(error)]
    try:
        batch.files = output.keep(batch.id)
    except ApiError as error:
        batch.errors = [fault(error)]
    batch.usage = usage_of(output.used)
    batch.become("failed" if batch.errors else end)


async def answer(batch: Batch, run: BatchRun, data: bytes, output: Output) -> None:
    """Answers all lines, if nothing is wrong with any. Raises ValueError and StoppedError."""
    loop = asyncio.get_running_loop()

    def begin(total: int) -> None:  # on the event loop, where clients cancel batches
        batch.counts["total"] = total
        if not run.is_stopped:
            batch.become("in_progress")

    def start(begun: BatchStart) -> None:  # this and the next run in the thread of batches
        loop.call_soon_threadsafe(begin, begun.pending)

    def take(name: str, reply: Reply) -> None:
        output.add(name, reply)
        batch.counts["completed" if reply.is_ok else "failed"] += 1

    with tempfile.TemporaryDirectory(prefix="anygen-batch-") as folder:
        rows = Path(folder) / "rows.jsonl"
        batch.errors = await asyncio.to_thread(write_rows, data, run.endpoint, rows)
        if not batch.errors:
            await loop.run_in_executor(run.service.batching, run.work, rows, start, take)
            run.check_stopped()
            batch.become("finalizing")


# --- the input


def write_rows(data: bytes, endpoint: str, path: Path) -> list[dict[str, Any]]:
    """Writes the lines as rows with an id and a body, which is a text in JSON: to read a row is
    possible however deep the body is nested. Returns what is wrong with the first few lines that
    are no requests to the endpoint.

    The rows are kept on the disk, since many batches may wait for their turn.
    """
    with path.open("wb") as rows:
        return list(itertools.islice(faults_of(data, endpoint, rows), MAX_FAULTS))


def faults_of(data: bytes, endpoint: str, rows: BinaryIO) -> Iterator[dict[str, Any]]:
    """Writes a row for each line that is a request."""
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.strip():
        yield fault(ApiError(400, "the file has no lines", "empty_file"))
    ids: set[str] = set()
    for number, line in enumerate(io.BytesIO(data), 1):
        try:
            if line.strip():
                rows.write(read_row(line, endpoint, ids))
        except ApiError as error:
            yield fault(error, number)
        except ValueError as error:
            param = invalid(error).param
            yield fault(ApiError(400, str(error), "invalid_line", param), number)


def read_row(line: bytes, endpoint: str, ids: set[str]) -> bytes:
    """The row in a line; `ids` are those of the lines before, to which its own is added.

    Raises ValueError, and ApiError for one that would hold up other requests.
    """
    check_values(line)
    try:
        data = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(json_problem(error)) from None
    if not isinstance(data, dict) or not is_openai_line(data):
        raise ValueError("should be an object with custom_id, method, url and body")
    if not isinstance(data["custom_id"], str) or not data["custom_id"]:
        raise ValueError("custom_id: should be a text that is not empty")
    if data.get("method") != "POST" or data.get("url") != endpoint:
        raise ValueError(f"should have the method POST and the url {endpoint}")
    if data["custom_id"] in ids:
        raise ValueError(f"custom_id: {data['custom_id']!r} is that of another line, too")
    ids.add(data["custom_id"])
    try:
        body = to_json(data["body"]).decode()
    except RecursionError as error:  # Python reads more depth than it writes
        raise ValueError(json_problem(error)) from None
    except ValueError:
        raise ValueError("body: holds a number that is not finite") from None
    return to_json({"id": data["custom_id"], "body": body}) + b"\n"


def fault(error: Exception, line: int | None = None) -> dict[str, Any]:
    found = error if isinstance(error, ApiError) else failure(error)
    return {"message": found.detail, "code": found.code, "line": line, "param": found.param}


# --- the output


@dataclass
class Output:
    """Lines of answers and of errors, in the order of the input."""

    service: Service
    lines: dict[str, list[bytes]] = field(default_factory=lambda: {"output": [], "error": []})
    bytes: int = 0
    used: Done = Done("stop", 0, 0, 0)  # tokens of all answers so far

    def add(self, name: str, reply: Reply) -> None:
        """Raises ValueError if there is more than can be kept."""
        response = {
            "status_code": reply.status,
            "request_id": new_id("req"),
            "body": reply.body,
        }
        line = {
            "id": new_id("batch_req"),
            "custom_id": name,
            "response": response,
            "error": None,
        }
        data = to_json(line) + b"\n"
        self.bytes += len(data)
        if self.bytes > self.service.settings.store_bytes:
            raise ValueError("the output is larger than all that this server keeps")
        self.lines["output" if reply.is_ok else "error"].append(data)
        self.used = with_usage(self.used, reply.body.get("usage") or {})

    def keep(self, name: str) -> dict[str, str]:
        """The ids of the files, of those that hold anything. Raises ApiError."""
        return {
            f"{kind}_file_id": keep(
                b"".join(lines), f"{name}_{kind}.jsonl", "batch_output", self.service
            ).id
            for kind, lines in self.lines.items()
            if lines
        }


def with_usage(used: Done, usage: dict[str, Any]) -> Done:
    """The tokens with those of one more answer, whose names are those of its endpoint."""
    read, written = ("prompt", "completion") if "prompt_tokens" in usage else ("input", "output")
    details = usage.get(f"{read}_tokens_details", {})
    return Done(
        "stop",
        used.prompt_tokens + usage.get(f"{read}_tokens", 0),
        used.cached_tokens + details.get("cached_tokens", 0),
        used.new_tokens + usage.get(f"{written}_tokens", 0),
    )

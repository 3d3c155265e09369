"""/v1/videos: videos that are made in the background, and fetched when they are done."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field, PositiveInt
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from anygen.core.media import Message, Video
from anygen.core.schema import Text, explain
from anygen.generation.events import Event, MediaProgress, MediaStarted
from anygen.serve.api.common import (
    PageOf,
    ServiceOf,
    TasksOf,
    failure,
    file_response,
    find_kept,
    listed,
    new_id,
)
from anygen.serve.api.forms import JSON, UploadField, described_body, read_body
from anygen.serve.api.one_medium import OneMedium, message_of, only_medium
from anygen.serve.api.response_items import size_of
from anygen.serve.content import MessageReader
from anygen.serve.encoded_media import EncodedMedia
from anygen.serve.engine_thread import Job
from anygen.serve.errors import ApiError
from anygen.serve.parameters import named, only, side_of
from anygen.serve.service import Place, Service
from anygen.serve.store import Tasks
from anygen.serve.wire import plain, while_there
from decoders.base import SampleOptions, VideoDecoder

router = APIRouter()
Status = Literal["queued", "in_progress", "completed", "failed"]
POLL = {"openai-poll-after-ms": "500"}  # how long OpenAI's client waits before it asks again
TASK_BYTES = 1000  # that a task takes beside its file, about


class VideoRequest(OneMedium):
    """In JSON or a form, as OpenAI's client sends it even where there is no file."""

    prompt: Text
    size: str | None = None
    frames: PositiveInt | None = None
    input_reference: UploadField | None = None  # a picture, sound or video to be read

    seconds: Annotated[float, Field(gt=0, le=3600)] | None = None  # in place of `frames`
    fps: Annotated[Any, only()] = None


BODY = described_body(VideoRequest, JSON)


@dataclass(eq=False)
class VideoTask:
    """A video that is being made, or was."""

    prompt: str
    model: str
    seed: int
    id: str = field(default_factory=lambda: new_id("video"))
    created_at: int = field(default_factory=lambda: int(time.time()))
    status: Status = "queued"
    progress: int = 0  # per cent
    completed_at: int | None = None
    expires_at: int | None = None
    error: dict[str, Any] | None = None
    facts: dict[str, str] = field(default_factory=dict)  # of the finished video
    file: EncodedMedia | None = None

    @property
    def size(self) -> int:
        return TASK_BYTES + (self.file.size if self.file else 0)

    def note(self, event: Event) -> None:
        if isinstance(event, MediaStarted):
            self.status = "in_progress"
        elif isinstance(event, MediaProgress):
            self.progress = min(99, 100 * event.step // event.total)

    def describe(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "video",
            "created_at": self.created_at,
            "completed_at": self.completed_at,
            "expires_at": self.expires_at,
            "model": self.model,
            "prompt": self.prompt,
            "status": self.status,
            "progress": self.progress,
            "error": self.error,
            "seconds": "",
            "size": "",
            **self.facts,
            "seed": self.seed,
        }


@router.post("/v1/videos", openapi_extra=BODY)
async def create_video(http: HTTPRequest, service: ServiceOf, tasks: TasksOf) -> Any:
    """Begins a video, and answers with its task."""
    body, place, job, seed = await begin(http, service)
    task = VideoTask(body.prompt, service.name, seed)
    tasks.start(task.id, task, make(task, place, job, service), place)
    return task.describe()


@router.post("/v1/videos/sync", response_class=Response, openapi_extra=BODY)
async def create_video_file(http: HTTPRequest, service: ServiceOf) -> Any:
    """Answers with the file of a video, once it is made."""
    _, place, job, seed = await begin(http, service)

    async def file() -> Response:
        medium, _ = await only_medium(job)
        return file_response(http, await service.encode(medium), {"X-Seed": str(seed)})

    return await plain(http, place, file())


def frames_of(body: VideoRequest, service: Service) -> int | None:
    """The frames of a video, if the request gives them or their time. Raises ApiError."""
    decoder = service.model.model.decoders.get("video")
    if body.seconds is None or decoder is None:
        return body.frames
    if body.frames is not None or not isinstance(decoder, VideoDecoder):
        raise unsupported_length("leave it out, and say by frames how long the video is")
    frames = round(body.seconds * decoder.rate)
    try:
        decoder.check(SampleOptions(frames=frames))
    except ValueError as error:
        raise unsupported_length(
            f"{body.seconds:g} s have {frames} frames at {decoder.rate:g} per second; "
            + explain(error).removeprefix("frames: ")
        ) from error
    return frames


def unsupported_length(problem: str) -> ApiError:
    return ApiError(400, f"seconds: {problem}", "unsupported_value", "seconds")


async def begin(http: HTTPRequest, service: Service) -> tuple[VideoRequest, Place, Job, int]:
    body = await read_body(http, VideoRequest)
    service.check_model(body.model)
    frames = frames_of(body, service)
    sample = {"size": side_of(body.size, "size"), "frames": frames}
    seed = body.first_seed
    with named(body.names):
        options = body.options(service, "video", sample)
        opening = service.open(read_request, body, [seed], options)
        place, [job] = await while_there(http, opening)
    return body, place, job, seed


def read_request(body: VideoRequest, reader: MessageReader) -> tuple[Message, ...]:
    if body.input_reference is None:
        return message_of(body.prompt, "prompt")
    medium = reader.decode(body.input_reference.data, None, "input_reference")
    return message_of(body.prompt, "prompt", medium)


async def make(task: VideoTask, place: Place, job: Job, service: Service) -> None:
    """Finishes a task. Its errors are the client's to read."""
    try:
        medium, _ = await only_medium(job, task.note)
        assert isinstance(medium, Video)
        encoded = await service.encode(medium)
        task.facts = {"seconds": f"{medium.seconds:g}", "size": size_of(medium)}
        task.file, task.status, task.progress = encoded, "completed", 100
        task.completed_at = int(time.time())
        task.expires_at = task.completed_at + int(service.settings.store_seconds)
    except Exception as error:
        reason = failure(error)
        task.status, task.error = "failed", {"code": reason.code, "message": reason.detail}
    finally:
        place.release()


@router.get("/v1/videos")
async def list_videos(page: PageOf, tasks: TasksOf) -> dict[str, Any]:
    return listed(await tasks.describe(VideoTask, VideoTask.describe), page, "video")


@router.get("/v1/videos/{video_id}")
async def read_video(video_id: str, response: Response, tasks: TasksOf) -> dict[str, Any]:
    task = await find(video_id, tasks)
    if task.status in ("queued", "in_progress"):
        response.headers.update(POLL)
    return task.describe()


@router.get("/v1/videos/{video_id}/content", response_class=Response)
async def read_video_content(
    video_id: str, http: HTTPRequest, tasks: TasksOf, variant: str = "video"
) -> Response:
    """The file, or the part of it that a header Range names."""
    task = await find(video_id, tasks)
    if variant != "video":
        raise ApiError(
            400, f"variant: {variant!r} is not made; give video", "unsupported_value", "variant"
        )
    if task.file is None:
        raise ApiError(
            404, f"the video has no content: it is {task.status}", "video_not_ready", "video_id"
        )
    return file_response(http, task.file)


@router.delete("/v1/videos/{video_id}")
async def delete_video(video_id: str, tasks: TasksOf) -> dict[str, Any]:
    """Forgets a video; one that is being made ends within a step."""
    if not await tasks.drop(video_id, VideoTask):
        raise not_found(video_id)
    return {"id": video_id, "object": "video.deleted", "deleted": True}


async def find(video_id: str, tasks: Tasks) -> VideoTask:
    return await find_kept(tasks, video_id, VideoTask, not_found(video_id))


def not_found(video_id: str) -> ApiError:
    return ApiError(404, f"this server has no video {video_id!r}", "video_not_found", "video_id")

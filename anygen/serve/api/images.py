"""/v1/images/generations and /v1/images/edits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BeforeValidator, Field, WithJsonSchema
from starlette.requests import Request as HTTPRequest

from anygen.core.media import Media, Message
from anygen.core.schema import Text
from anygen.generation.events import Done, MediaPreview
from anygen.serve.api.common import ServiceOf, failure
from anygen.serve.api.forms import BINARY, UploadField, described_body, read_form
from anygen.serve.api.one_medium import MediumResult, OneMedium, message_of, only_medium
from anygen.serve.api.response_items import size_of
from anygen.serve.content import MessageReader
from anygen.serve.encoded_media import EncodedMedia, encode_media
from anygen.serve.engine_thread import Job
from anygen.serve.errors import ApiError
from anygen.serve.parameters import Ignored, derived_seeds, named, only, or_null, side_of
from anygen.serve.service import Service
from anygen.serve.wire import EventStream, frame, plain, while_there

router = APIRouter()


class ImageRequest(OneMedium):
    prompt: Text
    n: Annotated[int, Field(ge=1, le=10), or_null(1)] = 1
    size: str | None = None
    response_format: Annotated[Literal["b64_json", "url"], or_null("b64_json")] = "b64_json"
    output_format: Annotated[Literal["png", "jpeg", "webp"], or_null("png")] = "png"
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=3), or_null(0)] = 0  # of a stream, at most

    background: Annotated[Any, only("auto", "opaque")] = None
    quality: Annotated[Any, only("auto", "standard")] = None
    style: Annotated[Any, only()] = None
    output_compression: Annotated[Any, only(100)] = None
    moderation: Ignored = None


def as_list(value: Any) -> Any:
    """One image has the form of several."""
    return value if isinstance(value, list) else [value]


class EditRequest(ImageRequest):
    """A form: the first image is changed, and the model reads the others, too."""

    image: Annotated[
        list[UploadField],
        BeforeValidator(as_list),
        Field(min_length=1),
        WithJsonSchema({**BINARY, "description": "one picture; for several the name is image[]"}),
    ]
    strength: float | None = None  # how far the result goes from the image, above 0 and at most 1

    mask: Annotated[Any, only()] = None
    markup: Annotated[Any, only()] = None
    input_fidelity: Annotated[Any, only()] = None


@router.post("/v1/images/generations")
async def create_images(body: ImageRequest, http: HTTPRequest, service: ServiceOf) -> Any:
    """Answers with images, or with the events of one if `stream` is true."""
    return await respond(body, http, service, read_prompt, body.prompt)


def read_prompt(prompt: str, _: MessageReader) -> tuple[Message, ...]:
    return message_of(prompt, "prompt")


@router.post("/v1/images/edits", openapi_extra=described_body(EditRequest))
async def edit_image(http: HTTPRequest, service: ServiceOf) -> Any:
    """Answers with changed images: a multipart form with `image` and `prompt`."""
    body = await read_form(http, EditRequest)
    strength = {} if body.strength is None else {"strength": body.strength}
    return await respond(body, http, service, read_edit, body, edit={"ref": 1, **strength})


def read_edit(body: EditRequest, reader: MessageReader) -> tuple[Message, ...]:
    """The images, and what to do with them. Raises ValueError and ApiError."""
    images = [
        reader.decode(image.data, "image", f"image.{index}")
        for index, image in enumerate(body.image)
    ]
    return message_of(body.prompt, "prompt", *images)


async def respond(
    body: ImageRequest,
    http: HTTPRequest,
    service: Service,
    read: Callable[[Any, MessageReader], Sequence[Message]],
    source: Any,
    **options: Any,
) -> Any:
    service.check_model(body.model)
    size = side_of(body.size, "size")
    if body.stream and body.n > 1:
        raise ApiError(400, "n: a stream has one image", "unsupported_value", "n")
    seeds = derived_seeds(body.first_seed, body.n)
    previews = body.partial_images if body.stream else 0
    with named(body.names):
        chosen = body.options(service, "image", {"size": size}, **options)
        opening = service.open(read, source, seeds, chosen, previews)
        place, jobs = await while_there(http, opening)
    answer = ImageWriter(body, service, http)
    if body.stream:
        return EventStream(answer.frames(jobs[0], seeds[0]), place)
    return await plain(http, place, answer.whole(jobs, seeds))


class ImageWriter:
    def __init__(self, body: ImageRequest, service: Service, http: HTTPRequest) -> None:
        self.body, self.service, self.http = body, service, http
        self.created = int(time.time())
        self.kind = "image_edit" if isinstance(body, EditRequest) else "image_generation"

    async def whole(self, jobs: list[Job], seeds: list[int]) -> dict[str, Any]:
        """All images. Raises ApiError if one could not be made."""
        answers = await asyncio.gather(*(self.image(job) for job in jobs))
        data = [
            {**self.content(encoded), "seed": seed}
            for (_, encoded, _), seed in zip(answers, seeds, strict=True)
        ]
        usages = [usage_of(done) for _, _, done in answers]
        head = {"created": self.created, "data": data}
        return {**head, **self.form(answers[0][0]), "usage": added(usages)}

    async def image(self, job: Job) -> tuple[Media, EncodedMedia, Done]:
        medium, done = await only_medium(job)
        return medium, await self.service.encode(medium, image=self.body.output_format), done

    def content(self, encoded: EncodedMedia) -> dict[str, Any]:
        if self.body.response_format == "url" or self.body.anygen.deliver == "url":
            return {"url": self.service.link(self.http, encoded)}
        return {"b64_json": encoded.base64}

    def form(self, medium: Media) -> dict[str, Any]:
        return {
            "size": size_of(medium),
            "output_format": self.body.output_format,
            "background": "opaque",
            "quality": "auto",
        }

    async def frames(self, job: Job, seed: int) -> AsyncIterator[bytes]:
        """Previews, and then the image or what went wrong with it."""
        result, previews = MediumResult(), 0
        try:
            async for event in job.events():
                result.add(event)
                if isinstance(event, MediaPreview):
                    yield await self.preview(event.media, previews)
                    previews += 1
            medium, done = result.medium_and_end()
            encoded = await self.service.encode(medium, image=self.body.output_format)
        except Exception as error:
            yield frame({"type": "error", **failure(error).envelope}, "error")
            return
        last = {"usage": usage_of(done), "seed": seed}
        yield self.frame("completed", medium, {**self.content(encoded), **last})

    async def preview(self, medium: Media, index: int) -> bytes:
        encoded = await asyncio.to_thread(encode_media, medium, self.body.output_format)
        content = {"b64_json": encoded.base64, "partial_image_index": index}
        return self.frame("partial_image", medium, content)

    def frame(self, stage: str, medium: Media, content: dict[str, Any]) -> bytes:
        kind = f"{self.kind}.{stage}"
        head = {"type": kind, "created_at": self.created}
        return frame({**head, **self.form(medium), **content}, kind)


def usage_of(done: Done) -> dict[str, Any]:
    return {
        "input_tokens": done.prompt_tokens,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": done.prompt_tokens},
        "output_tokens": done.new_tokens,
        "total_tokens": done.prompt_tokens + done.new_tokens,
    }


def added(usages: list[dict[str, Any]]) -> dict[str, Any]:
    """The sum of usages, which have the same keys."""
    first = usages[0]
    return {
        name: added([usage[name] for usage in usages])
        if isinstance(first[name], dict)
        else sum(usage[name] for usage in usages)
        for name in first
    }

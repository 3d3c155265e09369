"""Endpoints of one medium: /v1/images/generations, /v1/audio/generate and what speech would be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from anygen.core.media import Audio, Media
from anygen.core.modality import MediaModality
from anygen.core.schema import Strict, Text
from anygen.generation.events import Done, MediaDone, MediaFailed
from anygen.generation.options import AnswerOptions
from anygen.generation.request import derive_seed
from anygen.serve.api.common import ServiceOf, failure
from anygen.serve.api.response_items import size_of
from anygen.serve.encoded_media import EncodedMedia
from anygen.serve.engine_thread import Job
from anygen.serve.errors import ApiError, model_error
from anygen.serve.parameters import (
    Extension,
    Ignored,
    draw_seed,
    merged_options,
    only,
    side_of,
    with_sample,
)
from anygen.serve.service import Service
from anygen.serve.wire import EventStream, frame, plain

router = APIRouter()


class OneMedium(Strict):
    """Parameters of every endpoint of one medium."""

    model: str | None = None
    seed: NonNegativeInt | None = None
    steps: PositiveInt | None = None
    guidance: NonNegativeFloat | None = None
    negative_prompt: Text | None = None
    user: Ignored = None
    safety_identifier: Ignored = None
    anygen: Extension = Extension()

    @property
    def first_seed(self) -> int:
        return draw_seed(self.seed if self.seed is not None else self.anygen.seed)

    def options(self, service: Service, modality: MediaModality, **sample: Any) -> AnswerOptions:
        """One medium of a modality, and no text. Raises ApiError."""
        own = with_sample(
            self.anygen.options,
            modality,
            steps=self.steps,
            guidance=self.guidance,
            negative=self.negative_prompt,
            **sample,
        )
        return merged_options(
            service.settings.options, own, modalities=(modality,), exactly={modality: 1}
        )


class ImageRequest(OneMedium):
    prompt: Text
    n: Annotated[int, Field(ge=1, le=10)] = 1
    size: str | None = None
    response_format: Literal["b64_json", "url"] = "b64_json"
    output_format: Literal["png", "jpeg", "webp"] = "png"
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] = 0  # at most so many: decoders show none

    background: Annotated[Any, only("auto", "opaque")] = None
    quality: Annotated[Any, only("auto", "standard")] = None
    style: Annotated[Any, only()] = None
    output_compression: Annotated[Any, only(100)] = None
    moderation: Ignored = None


class SoundRequest(OneMedium):
    input: Text
    audio_length: PositiveFloat | None = None  # seconds
    response_format: Literal["wav", "flac", "opus"] = "wav"


# --- images


@router.post("/v1/images/generations")
async def create_images(body: ImageRequest, http: HTTPRequest, service: ServiceOf) -> Any:
    """Answers with images, or with the events of one if `stream` is true."""
    service.check_model(body.model)
    options = body.options(service, "image", size=side_of(body.size, "size"))
    if body.stream and body.n > 1:
        raise ApiError(400, "n: a stream has one image", "unsupported_value", "n")
    seed = body.first_seed
    seeds = [seed, *(derive_seed(seed, number) for number in range(1, body.n))]
    place, jobs = await service.open_all(body.prompt, seeds, options)
    answer = ImageWriter(body, service, http)
    if body.stream:
        return EventStream(answer.frames(jobs[0], seed), place)
    return await plain(http, place, answer.whole(jobs, seeds))


class ImageWriter:
    def __init__(self, body: ImageRequest, service: Service, http: HTTPRequest) -> None:
        self.body, self.service, self.http = body, service, http
        self.created = int(time.time())

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
        try:
            medium, encoded, done = await self.image(job)
        except Exception as error:
            fatal = error if isinstance(error, ApiError) else failure(error)
            yield frame({"type": "error", **fatal.envelope}, "error")
            return
        kind = "image_generation.completed"
        event = {
            "type": kind,
            **self.content(encoded),
            **self.form(medium),
            "created_at": self.created,
            "usage": usage_of(done),
            "seed": seed,
        }
        yield frame(event, kind)


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


# --- sounds


@router.post("/v1/audio/generate", response_class=Response)
async def create_sound(body: SoundRequest, http: HTTPRequest, service: ServiceOf) -> Any:
    """Answers with the file of a sound."""
    service.check_model(body.model)
    options = body.options(service, "audio", seconds=body.audio_length)
    seed = body.first_seed
    place, [job] = await service.open_all(body.input, [seed], options)
    return await plain(http, place, sound(job, body, seed, service))


async def sound(job: Job, body: SoundRequest, seed: int, service: Service) -> Response:
    medium, _ = await only_medium(job)
    assert isinstance(medium, Audio)
    encoded = await service.encode(medium, audio=body.response_format)
    headers = {
        "X-Sample-Rate": str(medium.rate),
        "X-Seed": str(seed),
        "X-Media-Id": encoded.sha256,
        "X-Content-Type-Options": "nosniff",
    }
    return Response(encoded.data, media_type=encoded.media_type, headers=headers)


@router.post("/v1/audio/speech")
async def create_speech() -> None:
    """This model makes sounds, and does not speak."""
    raise ApiError(
        404,
        "this model makes sounds but does not speak; POST /v1/audio/generate describes a sound",
        "model_not_speech",
    )


# --- both


async def only_medium(job: Job) -> tuple[Media, Done]:
    """The medium of an answer that has one. Raises ApiError if it could not be made."""
    medium, reason, done = None, "", Done("cancelled", 0, 0, 0)
    try:
        async for event in job.events():
            if isinstance(event, MediaDone):
                medium = event.media
            elif isinstance(event, MediaFailed):
                reason = event.error
            elif isinstance(event, Done):
                done = event
    except ValueError as error:
        raise failure(error) from error
    if medium is None:
        raise model_error(reason or f"nothing was made: the answer ended ({done.finish_reason})")
    return medium, done

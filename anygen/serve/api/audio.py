"""/v1/audio/generate, and what speech would be."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import PositiveFloat
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from anygen.core.media import Audio, Message
from anygen.core.schema import Text
from anygen.serve.api.common import ServiceOf
from anygen.serve.api.one_medium import OneMedium, message_of, only_medium
from anygen.serve.content import MessageReader
from anygen.serve.engine_thread import Job
from anygen.serve.errors import ApiError
from anygen.serve.parameters import named
from anygen.serve.service import Service
from anygen.serve.wire import plain, while_there

router = APIRouter()


class SoundRequest(OneMedium):
    input: Text
    audio_length: PositiveFloat | None = None  # seconds
    response_format: Literal["wav", "flac", "opus"] = "wav"


@router.post("/v1/audio/generate", response_class=Response)
async def create_sound(body: SoundRequest, http: HTTPRequest, service: ServiceOf) -> Any:
    """Answers with the file of a sound."""
    service.check_model(body.model)
    seed = body.first_seed
    with named(body.names):
        options = body.options(service, "audio", {"seconds": body.audio_length})
        opening = service.open(read_input, body.input, [seed], options)
        place, [job] = await while_there(http, opening)
    return await plain(http, place, sound(job, body, seed, service))


def read_input(text: str, _: MessageReader) -> tuple[Message, ...]:
    return message_of(text, "input")


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

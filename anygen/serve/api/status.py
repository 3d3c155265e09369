"""Whether the server works, what it runs, and what it has made and keeps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Query
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from anygen.core.schema import Strict
from anygen.core.version import __version__
from anygen.serve.api.common import ServiceOf, TasksOf, file_response, find_kept
from anygen.serve.encoded_media import EncodedMedia
from anygen.serve.errors import ApiError
from anygen.serve.parameters import Ignored, only
from anygen.serve.service import Service
from anygen.serve.store import StoredResponse, Tasks

router = APIRouter()


@router.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/ready")
async def ready(service: ServiceOf) -> dict[str, str]:
    """Whether new requests are answered; 503 when the server is about to end."""
    if service.is_draining:
        raise ApiError(503, "the server is about to end", "draining", headers={"Retry-After": "5"})
    return {"status": "ready"}


@router.get("/metrics", response_class=Response)
async def metrics(service: ServiceOf) -> Response:
    """Counters and gauges for Prometheus."""
    return Response(service.metrics.page(), media_type=CONTENT_TYPE_LATEST)


@router.get("/version")
async def version() -> dict[str, str]:
    return {"version": __version__}


@router.get("/v1/models")
async def list_models(service: ServiceOf) -> dict[str, Any]:
    return {"object": "list", "data": [describe_model(service)]}


@router.get("/v1/models/{name}")
async def read_model(name: str, service: ServiceOf) -> dict[str, Any]:
    service.check_model(name)
    return describe_model(service)


def describe_model(service: Service) -> dict[str, Any]:
    network = service.model.model
    return {
        "id": service.name,
        "object": "model",
        "created": service.created,
        "owned_by": "anygen",
        "anygen": {
            "modalities_in": ["text", *network.encoder.widths],
            "modalities_out": ["text", *network.decoders],
            "context": network.llm.context,
        },
    }


@router.get("/v1/media/{sha256}", response_class=Response)
async def read_stored_medium(sha256: str, http: HTTPRequest, tasks: TasksOf) -> Response:
    """A generated file, for as long as it is kept."""
    absent = ApiError(404, "this server no longer has that medium", "media_not_found")
    encoded = await find_kept(tasks, sha256, EncodedMedia, absent)
    return file_response(http, encoded, {"Cache-Control": "private, max-age=31536000, immutable"})


class Reading(Strict):
    """How a response is read again: OpenAI's parameters."""

    stream: bool = False
    starting_after: Annotated[Any, only()] = None
    include_obfuscation: Ignored = None


@router.get("/v1/responses/{response_id}", response_class=Response)
async def read_response(
    response_id: str, reading: Annotated[Reading, Query()], tasks: TasksOf
) -> Response:
    """A response as it was sent, for as long as it is kept."""
    stored = await find_response(response_id, tasks)
    if reading.stream:
        problem = "stream: a response has events while it is made, and none once it is kept"
        raise ApiError(400, problem, "unsupported_value", "stream")
    return Response(stored.body, media_type="application/json")


@router.delete("/v1/responses/{response_id}")
async def delete_response(response_id: str, tasks: TasksOf) -> dict[str, Any]:
    if not await tasks.drop(response_id, StoredResponse):
        raise not_kept(response_id)
    return {"id": response_id, "object": "response", "deleted": True}


@router.post("/v1/responses/{response_id}/cancel")
async def cancel_response(response_id: str, tasks: TasksOf) -> None:
    """A response is kept once it is finished, so that there is nothing to cancel."""
    await find_response(response_id, tasks)
    raise ApiError(
        400,
        "a response that is kept is finished; one that is being made ends when its client "
        "disconnects, as none is made in the background",
        "not_cancellable",
        "response_id",
    )


async def find_response(response_id: str, tasks: Tasks) -> StoredResponse:
    """Raises ApiError."""
    return await find_kept(tasks, response_id, StoredResponse, not_kept(response_id))


def not_kept(response_id: str) -> ApiError:
    return ApiError(404, f"no response {response_id!r} is kept", "response_not_found")


# --- calls of OpenAI's clients that are not here

ABSENT = {
    "POST /v1/responses/input_tokens": "tokens are counted with an answer, whose usage has them",
    "POST /v1/responses/compact": "a long conversation loses its oldest messages by itself",
    "GET /v1/responses/{response_id}/input_items": "what was sent is kept for the model alone",
    "POST /v1/videos/{video_id}/remix": "POST /v1/videos takes a video as its input_reference",
    "POST /v1/images/variations": "POST /v1/images/edits makes an image from another one",
    "GET /v1/chat/completions": "completions are not kept; responses are, if store is true",
}


def refuse(reason: str) -> Callable[[HTTPRequest], Awaitable[NoReturn]]:
    async def call(_: HTTPRequest) -> NoReturn:
        raise ApiError(404, f"this server does not have that call: {reason}", "unsupported_call")

    return call


for call, reason in ABSENT.items():
    method, path = call.split()
    router.add_route(path, refuse(reason), methods=[method], include_in_schema=False)

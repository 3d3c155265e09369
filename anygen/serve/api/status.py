"""Whether the server works, what it runs, and the media that it has made."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from anygen.core.version import __version__
from anygen.serve.api.common import ServiceOf, TasksOf, file_response
from anygen.serve.encoded_media import EncodedMedia
from anygen.serve.errors import ApiError
from anygen.serve.service import Service

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
    encoded = await tasks.find(sha256, EncodedMedia)
    if encoded is None:
        raise ApiError(404, "this server no longer has that medium", "media_not_found")
    return file_response(http, encoded, {"Cache-Control": "private, max-age=31536000, immutable"})

"""What endpoints share: the service behind them, and ids."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request as HTTPRequest

from anygen.serve.errors import ApiError, model_error
from anygen.serve.service import Service


def service_of(http: HTTPRequest) -> Service:
    service: Service = http.app.state.service
    return service


ServiceOf = Annotated[Service, Depends(service_of)]


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def failure(error: Exception) -> ApiError:
    """What a client gets to know of an error in the middle of an answer."""
    known = isinstance(error, ValueError)
    return model_error(str(error) if known else "the server failed; its log says why")

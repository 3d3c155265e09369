"""One shape for all errors: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request as HTTPRequest

from anygen.core.schema import Strict, keys_of, sentence
from anygen.core.text import json_problem

MAX_MESSAGE = 500  # characters
MAX_PROBLEMS = 100  # of a request that are looked at; a list may have one for every value
# OpenAI's clients repeat 408, 409, 429 and every 5xx; what fails again should not be repeated.
NO_RETRY = {"x-should-retry": "false"}
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found",
    429: "rate_limit",
    500: "server_error",
    503: "server_error",
}

HINTS = {"extra_body": "; what stands in it, such as anygen, belongs at the top of the body"}


class ErrorBody(Strict):
    message: str
    type: str
    param: str | None
    code: str


class ErrorEnvelope(Strict):
    """What the body of every error holds, as the OpenAPI description has it."""

    error: ErrorBody


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {"description": "An error", "model": ErrorEnvelope}
}


class ApiError(HTTPException):
    """An error that a client gets; `kind` is its type, by default that of the status."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        param: str | None = None,
        *,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.code, self.param = code, param
        self.kind = kind or KINDS.get(status, KINDS[400])

    @property
    def envelope(self) -> dict[str, Any]:
        return {"error": self.body}

    @property
    def body(self) -> dict[str, Any]:
        param = self.param and shortened(self.param)
        message = shortened(self.detail)
        return {"message": message, "type": self.kind, "param": param, "code": self.code}


def shortened(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]} ..."


class WireResponse(JSONResponse):
    """JSON in ASCII: a text may hold half a surrogate pair, which UTF-8 cannot."""

    def render(self, content: Any) -> bytes:
        return to_json(content)


def to_json(content: Any) -> bytes:
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def invalid(error: ValueError, param: str | None = None) -> ApiError:
    """A request that the model cannot meet; most sentences begin with the field."""
    named = re.match(r"([\w.]+): ", str(error))
    return ApiError(400, str(error), "invalid_value", param or (named[1] if named else None))


def model_error(message: str) -> ApiError:
    """The answer could not be made, and would fail again."""
    return ApiError(500, message, "model_error", kind="model_error", headers=NO_RETRY)


def draining() -> ApiError:
    return ApiError(503, "the server is about to end", "draining", headers={"Retry-After": "5"})


def error_response(error: ApiError) -> WireResponse:
    return WireResponse(error.envelope, error.status_code, error.headers)


def invalid_json(error: Exception) -> ApiError:
    """For what `json.loads` raises for a body."""
    return ApiError(400, f"the body {json_problem(error)}", "invalid_json")


def unknown_parameter(name: str) -> ApiError:
    hint = HINTS.get(name.rpartition(".")[2], "")
    return ApiError(
        400, f"unknown parameter: {name or repr(name)}{hint}", "unknown_parameter", name
    )


def validation_error(error: RequestValidationError, content_type: str) -> ApiError:
    """The first problem of a request; several where every kind of a value was refused."""
    first = error.errors()[:MAX_PROBLEMS]
    problems = [{**each, "loc": each["loc"][1:]} for each in first]  # without `body`
    keys, kind = keys_of(problems[0]), problems[0]["type"]
    if kind == "json_invalid":
        return ApiError(400, "the body is not JSON", "invalid_json")
    if not keys:
        return no_object(content_type)
    param = ".".join(keys)
    if kind == "extra_forbidden":
        return unknown_parameter(param)
    messages = dict.fromkeys(sentence(each) for each in problems if keys_of(each) == keys)
    # What a form has in the place of a file is a text.
    text = "should be a file" if kind == "is_instance_of" else ", or ".join(messages)
    code = {"missing": "missing_parameter", "unsupported_value": "unsupported_value"}
    return ApiError(400, f"{param}: {text}", code.get(kind, "invalid_value"), param)


def no_object(content_type: str) -> ApiError:
    """For a body that is none, or that was not read as JSON."""
    if is_json(content_type):
        return ApiError(400, "the body should be an object in JSON", "invalid_value")
    return ApiError(
        400,
        "the body should be an object in JSON; send it with Content-Type: application/json",
        "invalid_content_type",
    )


def is_json(content_type: str) -> bool:
    return re.match(r"application/([\w.+-]+\+)?json\b", content_type, re.IGNORECASE) is not None


def framework_error(http: HTTPRequest, error: HTTPException) -> ApiError:
    """For an error of a request that has reached no endpoint."""
    path, allowed = http.url.path, (error.headers or {}).get("Allow")
    message, code = {
        404: (f"this server has no path {path}", "unknown_path"),
        405: (f"{path} is for {allowed} and not for {http.method}", "method_not_allowed"),
    }.get(error.status_code, (str(error.detail), "invalid_request"))
    return ApiError(error.status_code, message, code, headers=error.headers)


def install_handlers(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    async def refused(http: HTTPRequest, error: HTTPException) -> WireResponse:
        if not isinstance(error, ApiError):
            if isinstance(error.__cause__, ValueError | RecursionError):  # of FastAPI's json.loads
                return error_response(invalid_json(error.__cause__))
            error = framework_error(http, error)
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    async def malformed(http: HTTPRequest, error: RequestValidationError) -> WireResponse:
        return error_response(validation_error(error, http.headers.get("content-type", "")))

    @app.exception_handler(Exception)
    async def failed(_: HTTPRequest, error: Exception) -> WireResponse:
        """Says nothing of the error, which uvicorn writes to stderr."""
        return error_response(
            ApiError(500, "the server failed; its log says why", "internal", headers=NO_RETRY)
        )

"""Bodies in multipart form, which OpenAI's clients send where there may be files."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import InstanceOf, ValidationError, WithJsonSchema
from starlette.datastructures import UploadFile
from starlette.requests import Request as HTTPRequest

from anygen.core.schema import Strict
from anygen.core.text import json_problem
from anygen.serve.errors import ApiError, invalid_json, is_json, unknown_parameter

Schema = TypeVar("Schema", bound=Strict)
MAX_FIELDS = 200
KEYS = re.compile(r"\[([^\[\]]*)\]")
# What is wrong with a form is the client's to read, and no warning of this server.
logging.getLogger("python_multipart").setLevel(logging.ERROR)
FORM, JSON = "multipart/form-data", "application/json"
OBJECTS = ("anygen",)  # fields that may be an object in JSON, too


@dataclass(frozen=True)
class Upload:
    """A file of a form."""

    name: str
    data: bytes


BINARY = {"type": "string", "format": "binary"}
UploadField = Annotated[InstanceOf[Upload], WithJsonSchema(BINARY)]


def described_body(schema: type[Strict], *others: str) -> dict[str, Any]:
    """What the OpenAPI description says of a body that the endpoint reads itself.

    It is a form, or has one of `others`, such as application/json.
    """
    described = schema.model_json_schema(ref_template="#/components/schemas/{model}")
    described.pop("$defs", None)  # `anygen`, which bodies in JSON have, too
    content = {form: {"schema": described} for form in (FORM, *others)}
    return {"requestBody": {"required": True, "content": content}}


async def read_form(http: HTTPRequest, schema: type[Schema]) -> Schema:
    """The form as the schema has it. Raises ApiError and RequestValidationError.

    `anygen[seed]=1` is `{"anygen": {"seed": "1"}}`, and `image[]` is one of several images.
    """
    if not content_type(http).startswith(FORM):
        raise ApiError(400, f"the body should be {FORM}", "invalid_content_type")
    data: dict[str, Any] = {}
    async with http.form(max_fields=MAX_FIELDS) as form:
        for name, value in form.multi_items():
            content: Any = value
            if isinstance(value, UploadFile):
                content = Upload(value.filename or "upload", await value.read())
            put(data, name, content)
    return validated(schema, data)


async def read_body(http: HTTPRequest, schema: type[Schema]) -> Schema:
    """A form, or an object in JSON. Raises ApiError and RequestValidationError."""
    if content_type(http).startswith(FORM):
        return await read_form(http, schema)
    if not is_json(content_type(http)):
        raise ApiError(
            400,
            f"the body should be {FORM}, or an object in JSON with Content-Type: {JSON}",
            "invalid_content_type",
        )
    try:
        data = await http.json()
    except (ValueError, RecursionError) as error:
        raise invalid_json(error) from None
    return validated(schema, data)


def content_type(http: HTTPRequest) -> str:
    return http.headers.get("content-type", "")


def validated(schema: type[Schema], data: Any) -> Schema:
    """Raises RequestValidationError, as a body in JSON does."""
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        problems = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(problems) from None


def put(data: dict[str, Any], name: str, value: Any) -> None:
    """Adds a field whose name says where it belongs. Raises ApiError."""
    first = name.partition("[")[0]
    keys = [first, *KEYS.findall(name)]
    is_list = keys[-1] == "" and len(keys) > 1
    path = keys[:-1] if is_list else keys
    if not all(path) or name != first + "".join(f"[{key}]" for key in keys[1:]):
        raise unknown_parameter(name)
    if first in OBJECTS and len(keys) == 1 and isinstance(value, str):
        value = parsed(value, name)
    inner: Any = data
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            raise contradicted(name)
    last = path[-1]
    if is_list:
        entries = inner.setdefault(last, [])
        if not isinstance(entries, list):
            raise contradicted(name)
        entries.append(value)
    elif last in inner:
        raise contradicted(name)
    else:
        inner[last] = value


def parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"{name}: {json_problem(error)}", "invalid_value", name) from None


def contradicted(name: str) -> ApiError:
    return ApiError(400, f"{name}: stands in the form twice", "invalid_value", name)

"""What may stand in a request: what counts, what changes nothing, and what is refused.

A parameter that OpenAI's clients know is a field of the endpoint's schema. What the model can do
has its own type; what changes no answer is `Ignored`; what it cannot do is `only` its neutral
values. All else is refused by name.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from anygen.batch.openai_lines import same
from anygen.core.schema import Strict, Text, explain_problem
from anygen.generation.options import AnswerOptions
from anygen.generation.request import derive_seed
from anygen.serve.errors import ApiError

Ignored = Any
SEED_BITS = 48  # of seeds that are drawn
MAX_METADATA = 16  # keys, as OpenAI's have
MAX_VALUES = 20_000  # in `anygen`; an answer may be chosen among 10,000
SIZE = re.compile(r"(\d{1,9})x(\d{1,9})", re.ASCII)


def size_of(value: Any) -> int:
    """How many values a JSON value holds at all depths."""
    count, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        inner = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        count += len(inner)
        waiting.extend(inner)
    return count


def only(*neutral: Any) -> AfterValidator:
    """Says of a parameter that it may have these values alone, or be null."""

    def check(value: Any) -> Any:
        if value is not None and not any(same(value, each) for each in neutral):
            shown = " or ".join(repr(each) for each in neutral) or "null"
            raise PydanticCustomError(
                "unsupported_value",
                "that is not supported; leave it out or give {shown}",
                {"shown": shown},
            )
        return value

    return AfterValidator(check)


def or_null(default: Any) -> BeforeValidator:
    """Says of a parameter that null stands for its default."""
    return BeforeValidator(lambda value: default if value is None else value)


class Extension(Strict):
    """The object `anygen` of a request: its own keys, and any option of `AnswerOptions`."""

    model_config = ConfigDict(extra="allow")

    seed: NonNegativeInt | None = None  # None: one is drawn, and returned with the answer
    deliver: Literal["inline", "url"] = "inline"  # media in the answer, or where to fetch them

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        """Each value may be a problem of its own to word, while nothing else is answered."""
        if size_of(self.options) > MAX_VALUES:
            raise ValueError(f"holds more than {MAX_VALUES} values")
        return self


class AnswerRequest(Strict):
    """Parameters of both endpoints whose answers may hold anything."""

    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    stream: bool | None = None
    anygen: Extension = Extension()

    top_logprobs: Annotated[Any, only(0)] = None
    service_tier: Annotated[Any, only("auto", "default")] = None
    parallel_tool_calls: Ignored = None
    user: Ignored = None
    safety_identifier: Ignored = None
    prompt_cache_key: Ignored = None
    prompt_cache_retention: Ignored = None
    prompt_cache_options: Ignored = None


def few_keys(value: Any) -> Any:
    """Checked before each of them is looked at."""
    if isinstance(value, dict) and len(value) > MAX_METADATA:
        raise ValueError(f"may have at most {MAX_METADATA} keys")
    return value


Metadata = Annotated[dict[Text, Text], Field(max_length=MAX_METADATA), BeforeValidator(few_keys)]


def draw_seed(seed: int | None) -> int:
    return secrets.randbits(SEED_BITS) if seed is None else seed


def derived_seeds(seed: int, count: int) -> list[int]:
    """Those of several answers to one request; the first is that of the request."""
    return [seed, *(derive_seed(seed, number) for number in range(1, count))]


def merged_options(defaults: AnswerOptions, own: dict[str, Any], **named: Any) -> AnswerOptions:
    """The options of a request: `own` of `anygen`, and those that parameters of OpenAI's name.

    Parameters that are None do not count. Raises ApiError.
    """
    fields = {name: value for name, value in named.items() if value is not None}
    for name in fields:
        if name in own:
            raise said_twice(name)
    try:
        return AnswerOptions.model_validate(
            {**defaults.model_dump(exclude_unset=True), **own, **fields}
        )
    except ValidationError as error:
        raise refused_option(error, own) from None


def said_twice(option: str) -> ApiError:
    param = f"anygen.{option}"
    problem = f"{param}: is given in anygen and outside of it"
    return ApiError(400, problem, "invalid_value", param)


def refused_option(error: ValidationError, own: dict[str, Any]) -> ApiError:
    """An error that names an option as the client wrote it."""
    problem = error.errors()[0]
    keys, message = explain_problem(problem, AnswerOptions)
    path = ".".join(keys)
    if not path:  # a problem of several options begins with the name of one
        path, _, message = message.partition(": ")
    param = f"anygen.{path}" if path.partition(".")[0] in own else path
    unknown = problem["type"] == "extra_forbidden"
    code = "unknown_parameter" if unknown else "invalid_value"
    return ApiError(400, f"{param}: {message}", code, param)


@contextmanager
def named(names: Mapping[str, str]) -> Iterator[None]:
    """Errors of options name the parameters that set them: `{"seconds": "audio_length"}`."""
    try:
        yield
    except ApiError as error:
        option = (error.param or "").rpartition(".")[2]
        if option not in names:
            raise
        message = error.detail.removeprefix(f"{error.param}: ")
        name = names[option]
        raise ApiError(error.status_code, f"{name}: {message}", error.code, name) from error


def with_sample(own: dict[str, Any], modality: str, **fields: Any) -> dict[str, Any]:
    """The options with more settings for media of a modality; fields that are None do not count.

    Raises ApiError for a setting that the options have as well.
    """
    media = own.get("media", {})
    sample = media.get(modality, {}) if isinstance(media, dict) else None
    found = {name: value for name, value in fields.items() if value is not None}
    if not found or not isinstance(sample, dict):  # the latter is refused later
        return own
    for name in found:
        if name in sample:
            raise said_twice(f"media.{modality}.{name}")
    return {**own, "media": {**media, modality: {**sample, **found}}}


def side_of(size: str | None, field: str) -> int | None:
    """The side of a square, of `64x64`; None for `auto`. Raises ApiError."""
    if size in (None, "auto"):
        return None
    found = SIZE.fullmatch(str(size))
    if not found or found[1] != found[2] or not int(found[1]):
        raise ApiError(
            400,
            f"{field}: give that of a square picture, such as 64x64, or auto; {size!r} is none",
            "unsupported_value",
            field,
        )
    return int(found[1])

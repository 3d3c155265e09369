"""Options by name, as a person types them: `steps 8`, `image.steps 8`, `exactly.image 2`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from anygen.core.modality import MEDIA
from anygen.core.schema import did_you_mean, read_yaml
from anygen.generation.options import AnswerOptions
from decoders.base import SampleOptions

MEDIA_OPTIONS = tuple(SampleOptions.model_fields)
ELSEWHERE = ("modalities", "media", "edit")  # these have commands of their own
ANSWER_OPTIONS = tuple(name for name in AnswerOptions.model_fields if name not in ELSEWHERE)
COUNTS = ("exactly", "at_most")  # of each modality
ONLY = {"frames": ("video",), "seconds": ("audio",), "size": ("image", "video")}
DEFAULT = "default"
BETWEEN = "|"  # stands between the texts of an option
NAMES = (*ANSWER_OPTIONS, *MEDIA_OPTIONS)


def changed(options: AnswerOptions, name: str, value: str) -> AnswerOptions:
    """The options with one changed; `default` resets it. Raises ValueError."""
    fields = options.model_dump(exclude_unset=True)
    for path in paths_of(name):
        place = fields
        for key in path[:-1]:
            place = place.setdefault(key, {})
        if value == DEFAULT:
            place.pop(path[-1], None)
        else:
            place[path[-1]] = parsed(path[-1], value)
    try:
        return AnswerOptions.model_validate(fields)
    except ValidationError as error:
        problem = error.errors()[0]
        message = problem["msg"].removeprefix("Value error, ")
        where = "" if problem["type"] == "value_error" else f"{name} cannot be {value!r}: "
        raise ValueError(f"{where}{message}") from None


def paths_of(name: str) -> list[tuple[str, ...]]:
    """The paths of a name in `AnswerOptions`; an option of media has one per modality."""
    first, _, second = name.partition(".")
    if name in ANSWER_OPTIONS and name not in COUNTS:
        return [(name,)]
    if name in MEDIA_OPTIONS:
        return [("media", modality, name) for modality in ONLY.get(name, MEDIA)]
    if first in COUNTS and second in MEDIA:
        return [(first, second)]
    if first in MEDIA and second in MEDIA_OPTIONS:
        return [("media", first, second)]
    hint = did_you_mean(second or first, NAMES) or f"; there are {', '.join(NAMES)}"
    raise ValueError(f"no setting {name!r}{hint}")


def parsed(name: str, value: str) -> Any:
    """A value as YAML; options that are texts are taken as they are."""
    if name in ("negative", "scheduler", "feedback"):
        return value
    if name == "stop":
        return (value,)
    if name == "choices":
        return tuple(value.split(BETWEEN))
    try:
        return read_yaml(value)
    except ValueError:
        return value


def described(options: AnswerOptions) -> list[str]:
    """What differs from the defaults, in the form that `changed` reads."""
    fields = options.model_dump(exclude_defaults=True, exclude={"modalities", "edit"})
    media = fields.pop("media", {})
    return [*flat(fields), *flat(media)]


def flat(fields: Mapping[str, Any], prefix: str = "") -> list[str]:
    lines: list[str] = []
    for name, value in fields.items():
        if isinstance(value, dict):
            lines += flat(value, f"{prefix}{name}.")
        else:
            shown = BETWEEN.join(value) if isinstance(value, tuple) else value
            lines.append(f"{prefix}{name} {shown}")
    return lines

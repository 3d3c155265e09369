"""Strict pydantic models, and their errors as sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter, ValidationError

from anygen.core.text import valid_text

KIND = "kind:"  # prefix of pydantic's tags of classes, which are no keys of a document
# What stands in the place of a key where pydantic has tried one kind of a value after the other.
INTERNAL = re.compile(
    rf"{KIND}.*|(function|constrained|nullable|chain|tagged-union|definition-ref)\b.*|\w+\[.+"
    r"|str|int|float|bool|none|bytes|list|dict|tuple|set|is-instance.*|\[key\]",
    re.DOTALL,
)
# Where pydantic's message names a class of ours.
DOCUMENT_ERRORS = ("dict_type", "model_type", "model_attributes_type")
LONGEST_EXAMPLE = 80  # characters of a value
LONGEST_NAME = 1000  # characters of a name that others are compared with

Text = Annotated[str, AfterValidator(valid_text)]  # that can be encoded


class Strict(BaseModel):
    """A document of known keys, in which every number is finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def read_yaml(text: str) -> Any:
    """The content of a YAML text. Raises ValueError, whatever is wrong with it.

    PyYAML raises other errors of its own for dates that do not exist and for deep nesting.
    """
    try:
        return yaml.safe_load(text)
    except Exception as error:
        raise ValueError(" ".join(str(error).split())) from error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the known one that is most like it, if any is."""
    if len(name) > LONGEST_NAME:  # it is like none, and comparing takes long
        return ""
    near = get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def validate(kind: Any, data: Any) -> Any:
    """The data as a `kind`, a class or an annotation. Raises ValueError: see `explain`."""
    try:
        return TypeAdapter(kind).validate_python(data)
    except ValidationError as error:
        raise ValueError(explain(error, kind)) from error


def explain(error: Exception, kind: Any = None) -> str:
    """The message for a person; for a pydantic error one `key.path: message` per problem.

    With the `kind` of the document, an unknown key is answered with the one that it resembles.
    """
    if isinstance(error, FileExistsError):  # of a folder that is to be made
        return f"{error.filename}: is a file, where a folder is needed"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if not isinstance(error, ValueError | OSError):  # its message alone may not say what it is
        return f"{type(error).__name__}: {error}".removesuffix(": ")
    if not isinstance(error, ValidationError):
        return str(error)
    messages: dict[str, list[str]] = {}  # several where every kind of a value was refused
    for problem in error.errors():
        keys, message = explain_problem(problem, kind)
        messages.setdefault(".".join(keys), []).append(message)
    return "\n".join(
        f"{where}: {', or '.join(each)}" if where else "\n".join(each)
        for where, each in messages.items()
    )


def explain_problem(problem: Any, kind: Any) -> tuple[list[str], str]:
    """The keys to one problem of a pydantic error, and what a person reads of it."""
    keys, message = keys_of(problem), sentence(problem)
    if problem["type"] == "extra_forbidden":
        *above, name = keys
        known = {key for each in documents_at(kind, above) for key in each.model_fields}
        message = f"unknown key{did_you_mean(name, known - {name})}"
    elif problem["type"] in DOCUMENT_ERRORS:
        message = f"should be keys with values, as in {example(problem['input'], kind, keys)}"
    elif problem["type"] == "list_type":
        message += ", in brackets: [one, two]"
    return keys, message


def keys_of(problem: Mapping[str, Any]) -> list[str]:
    """The keys that lead to what pydantic has a problem with, as the document has them."""
    keys = list(map(str, problem["loc"]))
    named = keys[-1:] if problem["type"] in ("extra_forbidden", "missing") else []  # any name
    outer = keys[: len(keys) - len(named)]
    return [key or "''" for key in (*(k for k in outer if not INTERNAL.fullmatch(k)), *named)]


def sentence(problem: Mapping[str, Any]) -> str:
    """What pydantic says of a problem, without what is known to Python alone."""
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] in ("model_type", "model_attributes_type"):
        message = "Input should be a valid dictionary"
    if problem["loc"] and problem["loc"][-1] == "[key]":
        message = message.replace("Input", "The key", 1)
    return message


def explain_in_line(error: Exception, kind: Any = None) -> str:
    """`explain` in one line, for a list of rows that each have a reason."""
    return "; ".join(explain(error, kind).splitlines())


def example(value: Any, kind: Any, keys: Sequence[str]) -> str:
    """How a document is written where a single value stands: with its key, if one takes it."""
    if isinstance(value, str) and value.isprintable() and len(value) <= LONGEST_EXAMPLE:
        for document in documents_at(kind, keys):
            for name in document.model_fields:
                with suppress(ValidationError):
                    document.model_validate({name: value})
                    return f"{{{name}: {value}}}"
    return "{key: value}"


def documents_at(kind: Any, keys: Sequence[str]) -> Iterator[type[BaseModel]]:
    """The classes of documents that a path of keys may lead to in a document of a `kind`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if not keys:
            yield kind
        elif keys[0] in kind.model_fields:
            yield from documents_at(kind.model_fields[keys[0]].annotation, keys[1:])
        return
    inside = keys[1:] if get_origin(kind) in (list, dict, tuple) else keys
    for argument in get_args(kind):
        yield from documents_at(argument, inside)

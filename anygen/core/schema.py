"""Strict pydantic models, and their errors as sentences."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from anygen.core.text import valid_text

KIND = "kind:"  # prefix of pydantic's tags of classes, which are no keys of a document


Text = Annotated[str, AfterValidator(valid_text)]  # for a model to read


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
    near = get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def explain(error: Exception) -> str:
    """The message for a person; for a pydantic error one `key.path: message` per problem."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if not isinstance(error, ValueError | OSError):  # its message alone may not say what it is
        return f"{type(error).__name__}: {error}".removesuffix(": ")
    if not isinstance(error, ValidationError):
        return str(error)
    lines = []
    for problem in error.errors():
        keys = [str(key) for key in problem["loc"] if not str(key).startswith(KIND)]
        where = ".".join(keys)
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {message}" if where else message)
    return "\n".join(lines)

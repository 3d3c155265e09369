"""Strict pydantic models, and their errors as sentences."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

KIND = "kind:"  # prefix of pydantic's tags of classes, which are no keys of a document


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def explain(error: ValueError | OSError) -> str:
    """The message for a person; for a pydantic error one `key.path: message` per problem."""
    if not isinstance(error, ValidationError):
        return str(error)
    lines = []
    for problem in error.errors():
        keys = [str(key) for key in problem["loc"] if not str(key).startswith(KIND)]
        where = ".".join(keys)
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {message}" if where else message)
    return "\n".join(lines)

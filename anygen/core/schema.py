"""Strict pydantic models, and their errors as sentences."""

from __future__ import annotations

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
)

KIND = "kind:"  # begins the name of one of several classes, which is no key that anyone wrote


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def explain(error: ValueError | OSError) -> str:
    """What a person reads: of a pydantic error one `key.path: message` for each problem."""
    if not isinstance(error, ValidationError):
        return str(error)
    lines = []
    for problem in error.errors():
        keys = [str(key) for key in problem["loc"] if not str(key).startswith(KIND)]
        where = ".".join(keys)
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {message}" if where else message)
    return "\n".join(lines)

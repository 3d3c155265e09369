"""Text from outside, such as command lines and JSON, which may hold halves of surrogate pairs.

Python decodes a byte that is not UTF-8 to a lone surrogate (PEP 383), and JSON can escape one. No
tokenizer and no encoding accepts them.
"""

from __future__ import annotations

import json
import re
from typing import Any

SURROGATE = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def valid_text(text: str) -> str:
    """The text with U+FFFD for every lone surrogate."""
    return SURROGATE.sub(REPLACEMENT, text)


def folded(text: str) -> str:
    """The text without differences of case and white space."""
    return " ".join(text.casefold().split())


def from_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError, also if it is nested too deeply for Python."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def json_problem(error: Exception) -> str:
    """Why `json.loads` has raised an error, as the rest of a sentence about the text."""
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "is not JSON"
    return "holds a number of too many digits"  # Python reads no more than 4300


def to_json(data: object, indent: int | None = None) -> str:
    """JSON that can be encoded: a lone surrogate, as in a file's name, becomes an escape."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(data, ensure_ascii=False, indent=indent, separators=separators)
    return text.encode(errors="backslashreplace").decode()

"""Files of one JSON object per line, to which a process appends that may be killed meanwhile."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file, if it exists, but for one that a killed process left incomplete.

    Only a newline ends a line: JSON may hold the other separators of lines, such as U+2028.
    """
    for line in path.read_bytes().split(b"\n") if path.is_file() else []:
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):  # a cut may also fall inside of a character
            continue


def append_json_line(path: Path, row: Mapping[str, Any]) -> None:
    """Adds a line of its own, also after one that a killed process left incomplete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        if stream.tell():
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                stream.write(b"\n")
        stream.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

"""Files of one JSON object per line, to which a process appends that may be killed meanwhile."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file, if it exists, but for one that a killed process left incomplete.

    Only a newline ends a line: JSON may hold the other separators of lines, such as U+2028.
    """
    for line in path.read_text(encoding="utf-8").split("\n") if path.is_file() else []:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue

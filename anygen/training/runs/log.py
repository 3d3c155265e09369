"""log.jsonl of a run: a line per step that is logged, and a line per step with samples."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from anygen.io.atomic import replacing
from anygen.io.json_lines import read_json_lines

LOG = "log.jsonl"

LogRow = dict[str, Any]


def append_row(row: LogRow, path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(row, allow_nan=False)}\n")


def drop_rows_after(step: int, path: Path) -> None:
    """Removes the lines of steps that a run is about to do again, and an incomplete one."""
    if not path.is_file():
        return
    rows = [row for row in read_json_lines(path) if row["step"] <= step]
    with replacing(path) as temporary:
        temporary.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def finite_means(terms: Mapping[str, Iterable[float]]) -> dict[str, float]:
    """The mean of the finite values of each term, rounded; terms without any are left out."""
    finite = {name: [v for v in values if math.isfinite(v)] for name, values in terms.items()}
    return {name: round(sum(v) / len(v), 5) for name, v in finite.items() if v}

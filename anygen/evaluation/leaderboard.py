"""Several evaluations at once: a baseline against the others, and all results of a folder.

`compare_all` needs answers to the same cases, and says which differences could be chance.
`leaderboard` shows whatever was measured with one suite on one set of data.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anygen.evaluation.comparison import (
    Difference,
    compare,
    difference,
    read_evaluation,
    shared_rows,
)
from anygen.evaluation.metrics import holm
from anygen.evaluation.results import COMPARABLE, RESULTS
from anygen.evaluation.suites.reading import read_json
from anygen.reports.page import write_page

WIDTH = 22


def compare_all(folders: Sequence[Path], page: Path) -> Iterator[str]:
    """The first one against each of the others; yields the table and writes `page`.

    Raises ValueError for fewer than two folders, and as `compare` does.
    """
    if len(folders) < 2:
        raise ValueError("compare needs the results of two models or more")
    if len(folders) == 2:
        yield from compare(folders[0], folders[1], page)
        return
    first, *others = map(read_evaluation, folders)
    columns = [
        {
            name: difference(name, first.metrics[name], *pair)
            for name, pair in shared_rows(first, other).items()
        }
        for other in others
    ]
    names = [name for name in first.rows if any(name in column for column in columns)]
    rows = {name: compared(name, columns) for name in names}
    yield f"{'row':{WIDTH}}" + "".join(f"{letter(n):>26}" for n in range(len(folders)))
    for name, cells in rows.items():
        yield f"{name:{WIDTH}}{shown(baseline(cells)):>26}" + "".join(
            f"{as_text(cell):>26}" for cell in cells
        )
    values = {
        "title": f"{first.identity['suite']}: {len(folders)} evaluations",
        "names": {letter(n): str(folder) for n, folder in enumerate(folders)},
        "rows": [
            {
                "name": name,
                "figure": first.metrics[name].figure,
                "at_most": first.metrics[name].at_most,
                "baseline": baseline(cells),
                "cells": cells,
            }
            for name, cells in rows.items()
        ],
    }
    yield str(write_page(page, "comparisons.html", values))


@dataclass(frozen=True)
class Compared:
    """A row of one evaluation beside that of the baseline; `p` is corrected for their number."""

    difference: Difference
    p: float | None

    @property
    def is_sure(self) -> bool:
        """Whether chance alone is unlikely: by the test, else by the interval."""
        if self.p is not None:
            return self.p < 0.05
        interval = self.difference.change.interval
        return interval is not None and not interval[0] <= 0 <= interval[1]


def compared(name: str, columns: Sequence[Mapping[str, Difference]]) -> list[Compared | None]:
    """The row of each evaluation; None where it was not measured."""
    found = [column.get(name) for column in columns]
    values = [None if one is None else one.change.p for one in found]
    corrected = iter(holm([p for p in values if p is not None]))
    return [
        None if one is None else Compared(one, None if p is None else next(corrected))
        for one, p in zip(found, values)
    ]


def letter(place: int) -> str:
    """A to Z, then AA, AB and so on, as columns of a spreadsheet are named."""
    before, place = divmod(place, 26)
    return (letter(before - 1) if before else "") + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[place]


def baseline(cells: Sequence[Compared | None]) -> float | None:
    return next((cell.difference.first for cell in cells if cell is not None), None)


def shown(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def as_text(cell: Compared | None) -> str:
    """`81.5 (+3.5*)`; the star stands where chance alone is unlikely."""
    if cell is None or cell.difference.change.value is None:
        return "-"
    star = "*" if cell.is_sure else ""
    return f"{shown(cell.difference.second)} ({cell.difference.change.value:+g}{star})"


# --- a folder of results


def leaderboard(folder: Path, page: Path) -> Iterator[str]:
    """Yields a table for each suite and writes `page`. Raises ValueError without any results."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.rglob(RESULTS)):
        results = read_json(path)
        if isinstance(results, dict) and {"rows", "suite"} <= results.keys():
            results["folder"] = path.parent.relative_to(folder).as_posix()
            common = json.dumps([results.get(key) for key in COMPARABLE])
            groups.setdefault(common, []).append(results)
    if not groups:
        raise ValueError(f"{folder}: holds no results of anygen evaluate")
    tables = [board(own) for own in groups.values()]
    for one in tables:
        yield f"{one['title']}"
        yield f"{'row':{WIDTH}}" + "".join(f"{name[-24:]:>26}" for name in one["names"])
        for row in one["rows"]:
            cells = "".join(f"{cell['text']:>26}" for cell in row["cells"])
            yield f"{row['name']:{WIDTH}}{cells}"
    yield str(write_page(page, "leaderboard.html", {"folder": str(folder), "tables": tables}))


def board(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One table: a column for each run, a row for each figure."""
    first = runs[0]
    parts = [f"{key} {first[key]}" for key in ("mode", "split", "judge") if first.get(key)]
    names = list(dict.fromkeys(name for run in runs for name in run["rows"]))
    return {
        "title": ", ".join([first["suite"], *parts, f"seed {first.get('seed', 0)}"]),
        "names": [run["folder"] for run in runs],
        "models": [run.get("model", "") for run in runs],
        "rows": [board_row(name, [run["rows"].get(name) for run in runs]) for name in names],
    }


def board_row(name: str, found: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    rows = [row for row in found if row is not None]
    best = best_of(rows)
    return {
        "name": name,
        "figure": rows[0]["figure"],
        "chance": rows[0].get("chance"),
        "cells": [board_cell(row, best) for row in found],
    }


def best_of(rows: Sequence[Mapping[str, Any]]) -> float | None:
    values = [row["value"] for row in rows if row["value"] is not None]
    if len(values) < 2:
        return None
    best: float = min(values) if rows[0].get("at_most") else max(values)
    return best


def board_cell(row: Mapping[str, Any] | None, best: float | None) -> dict[str, Any]:
    """`is_near` is set where the interval of a value that is not the best holds the best one."""
    if row is None or row["value"] is None:
        return {"text": "-", "interval": None, "n": None, "is_best": False, "is_near": False}
    interval = row.get("interval")
    is_best = row["value"] == best
    is_near = bool(best is not None and interval and interval[0] <= best <= interval[1])
    text = f"{row['value']:g}" + (f" ({interval[0]:g}-{interval[1]:g})" if interval else "")
    return {
        "text": text,
        "interval": interval,
        "n": row["n"],
        "is_best": is_best,
        "is_near": is_near and not is_best,
    }

"""Every prompt several times: with other seeds, or with all combinations of some options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from anygen.batch.options import merged_options
from anygen.batch.rows import BatchRow
from anygen.generation.option_names import parsed
from anygen.generation.options import AnswerOptions
from anygen.generation.request import derive_seed

SEED = "seed"
MAX_VARIANTS = 10_000  # of a row: a range that was mistyped would fill the memory
Axis = tuple[str, tuple[Any, ...]]  # the name of an option, and its values


@dataclass(frozen=True)
class Grid:
    """The variants of each row: all combinations of the axes, each `repeat` times."""

    repeat: int = 1
    axes: tuple[Axis, ...] = ()

    @property
    def size(self) -> int:
        size = self.repeat
        for _, values in self.axes:
            size *= len(values)
        return size

    @property
    def columns(self) -> int:
        """Of a sheet with the variants of a row: they differ in their last axis."""
        return self.repeat if self.repeat > 1 or not self.axes else len(self.axes[-1][1])

    def variants(self) -> Iterator[tuple[Mapping[str, Any], int]]:
        """The options of each variant, and which repetition it is, from 0."""
        for values in product(*(values for _, values in self.axes)):
            options = dict(zip([name for name, _ in self.axes], values, strict=True))
            for number in range(self.repeat):
                yield options, number


def parse_grid(repeat: int, sweeps: Sequence[str]) -> Grid:
    """The grid of `seed=0..7`, `image.guidance=2,4`. Raises ValueError."""
    grid = Grid(repeat, tuple(parse_axis(text) for text in sweeps))
    names = [name for name, _ in grid.axes]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"--sweep {name}: is given twice; list all its values in one")
    if grid.size > MAX_VARIANTS:
        raise ValueError(f"--sweep: {grid.size} variants of each row; {MAX_VARIANTS} is the most")
    return grid


def parse_axis(text: str) -> Axis:
    name, _, listed = text.partition("=")
    name = name.strip()
    span = re.fullmatch(r"\s*(\d{1,15})\.\.(\d{1,15})\s*", listed)
    if not listed.strip():
        raise ValueError(f"--sweep needs NAME=VALUES, such as seed=0..7 or guidance=2,4: {text!r}")
    if span and int(span[2]) - int(span[1]) >= MAX_VARIANTS:
        raise ValueError(f"--sweep {text}: {MAX_VARIANTS} values are the most")
    values: Iterable[Any] = (
        range(int(span[1]), int(span[2]) + 1)
        if span
        else [parsed(name, value.strip()) for value in listed.split(",")]
    )
    found = tuple(values)
    if not found:
        raise ValueError(f"--sweep {text}: ends before it begins")
    for value in found:
        check_value(name, value)
    return name, found


def check_value(name: str, value: Any) -> None:
    """Raises ValueError, with the name as it was given."""
    if name == SEED:
        if type(value) is not int:
            raise ValueError(f"--sweep seed: {value!r} is no whole number")
        return
    try:
        merged_options(AnswerOptions(), {name: value})
    except ValueError as error:
        raise ValueError(f"--sweep {name}={value}: {error}") from None


def expand(rows: Sequence[BatchRow], grid: Grid, seed: int) -> list[BatchRow]:
    """The variants of all rows, those of a row one after the other.

    Variants that differ in options alone have the seed of their row: nothing else differs.
    """
    if grid.size == 1 and not grid.axes:
        return list(rows)
    return [
        variant(row, options, number, grid, seed)
        for row in rows
        for options, number in grid.variants()
    ]


def variant(
    row: BatchRow, options: Mapping[str, Any], number: int, grid: Grid, seed: int
) -> BatchRow:
    marks = [f"{name}={value}" for name, value in options.items()]
    if grid.repeat > 1:
        marks.append(str(number + 1))
    row_id = "-".join([row.id, *marks])
    own = row.data.get("options", {})
    if not row.data or not isinstance(own, dict):  # it fails, and says why
        return row.renamed(row_id)
    base = options.get(SEED, row.data.get(SEED))
    base = derive_seed(seed, row.id) if base is None else base
    data = {
        **row.data,
        "id": row_id,
        SEED: derive_seed(base, number) if number else base,
        "options": {**own, **{k: v for k, v in options.items() if k != SEED}},
    }
    return replace(row, id=row_id, data=data)

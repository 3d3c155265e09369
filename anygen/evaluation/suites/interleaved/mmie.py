"""MMIE: questions of projects, situations and sciences, answered by text and pictures.

Xia et al. 2024 (arXiv:2410.10139). Its judge is a model of its own, whose program reads
`mmie/data.json`; it drops answers that it cannot grade. Number and structure are ours.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from anygen.core.media import Part
from anygen.evaluation.suites.base import Source, Unit
from anygen.evaluation.suites.interleaved import alternating
from anygen.evaluation.suites.interleaved.alternating import (
    Question,
    in_steps,
    update_list,
    write_pictures,
)
from anygen.evaluation.suites.reading import find_medium, in_order, only_file, read_json, with_keys

UNIT = "question"
NEEDS_MODEL = True
MODEL = "anygen"
LAYOUT = "the questions of MMIE, with their pictures beside them"


def read(source: Source) -> list[Unit]:
    """A unit for each question. Raises ValueError for a file in another layout."""
    folder = source.folder("mmie", f"a .json file with {LAYOUT}")
    path = only_file(folder, "*.json", LAYOUT)
    units = []
    for row in read_json(path):
        row = with_keys(row, ["id", "question", "gt_answer"], str(path))
        question: list[str | Path] = []
        for step in row["question"]:
            question += [step["text"]] if step.get("text") else []
            question += [find_medium(folder, step["image"])] if step.get("image") else []
        content = Question(tuple(question), structure_of_steps(row["gt_answer"]), row)
        units.append(Unit(str(row["id"]), "questions", ("structure", "number"), content))
    return in_order(units)


def structure_of_steps(steps: Sequence[Any]) -> tuple[str, ...]:
    return tuple(kind for step in steps for kind in ("text", "image") if step.get(kind))


def write(out: Path, unit: Unit, parts: Sequence[Part]) -> None:
    folder = out / "mmie"
    written = write_pictures(folder, lambda number: f"{unit.id}_{number}.png", parts)
    row = {**unit.content.row, "model": MODEL, "answer": in_steps(parts, written)}
    update_list(folder / "data.json", row, as_lines=False)


ask = alternating.ask
judge = partial(alternating.judge, write)
figures = alternating.figures

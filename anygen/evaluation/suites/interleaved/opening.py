"""OpenING: everyday tasks that are answered by text and pictures, judged in pairs of models.

Zhou et al. 2024 (arXiv:2411.18499). Answers are written as the benchmark's own models write
theirs; `anygen arena rate` reads the votes of its judges. Number and structure are ours.
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
    write_pictures,
)
from anygen.evaluation.suites.reading import find_medium, in_order, only_file, read_rows
from anygen.io.atomic import write_json

UNIT = "question"
WHOLE = "structure"
NEEDS_MODEL = True
FILE = "test_data.jsonl"
MODEL = "anygen"
MARK = "<image>"  # in a text, where its picture stands


def read(source: Source) -> list[Unit]:
    """A unit for each question. Raises ValueError for a file in another layout."""
    folder = source.folder("opening", f"{FILE} and images/")
    path = only_file(folder, FILE, "the questions of OpenING")
    units = []
    for row in read_rows(path, "total_uid", "subtask_name", "conversations"):
        where = f"{path}: {row['total_uid']}"
        steps = steps_of(row, "input", where)
        question: list[str | Path] = []
        for step in steps:
            question += [step["text"].replace(MARK, "").strip()] if step.get("text") else []
            question += [find_medium(folder, step["image"])] if step.get("image") else []
        gold = [
            kind
            for step in steps_of(row, "output", where)
            for kind in ("text", "image")
            if step.get(kind)
        ]
        content = Question(tuple(question), tuple(gold), row)
        units.append(
            Unit(str(row["total_uid"]), row["subtask_name"], ("structure", "number"), content)
        )
    return in_order(units)


def steps_of(row: Any, side: str, where: str) -> list[dict[str, Any]]:
    """The steps of the question or of the gold answer."""
    found = [turn[side] for turn in row["conversations"] if side in turn]
    if len(found) != 1:
        raise ValueError(f"{where}: has {len(found)} {side}s; it needs one")
    return list(found[0])


def write(out: Path, unit: Unit, parts: Sequence[Part]) -> None:
    folder = out / f"{MODEL}_output"
    written = write_pictures(folder, lambda number: f"{unit.id}-o-{number}.jpg", parts)
    row = dict(unit.content.row)
    question = [turn for turn in row["conversations"] if "input" in turn]
    row["conversations"] = [*question, {"output": in_steps(parts, written)}]
    write_json(row, folder / f"{unit.id}.json")


ask = alternating.ask
judge = partial(alternating.judge, write)
figures = alternating.figures

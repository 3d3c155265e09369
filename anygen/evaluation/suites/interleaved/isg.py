"""ISG-Bench: answers in which text and pictures alternate, by their structure.

Chen et al. 2025 (arXiv:2411.17188). Structure needs no judge and is what the others rest on; they
are judged by a language model, whose program reads `isg/answers.jsonl`.
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
    find_picture,
    update_list,
    write_pictures,
)
from anygen.evaluation.suites.reading import in_order, only_file, read_rows, with_keys

UNIT = "question"
WHOLE = "structure"
NEEDS_MODEL = True
FILE = "ISG-Bench.jsonl"
KINDS = ("text", "image")


def read(source: Source) -> list[Unit]:
    """A unit for each question. Raises ValueError for a file in another layout."""
    folder = source.folder("isg", f"{FILE} and images/")
    path = only_file(folder, FILE, "the questions of ISG-Bench")
    units = []
    for row in read_rows(path, "id", "Category", "Query", "Golden"):
        where = f"{path}: {row['id']}"
        question = tuple(
            part["content"] if part["type"] == "text" else find_picture(folder, part["content"])
            for part in checked(row["Query"], where)
        )
        gold = tuple(part["type"] for part in checked(row["Golden"], where))
        content = Question(question, gold, row)
        units.append(Unit(str(row["id"]), row["Category"], ("structure", "number"), content))
    return in_order(units)


def checked(parts: Sequence[Any], where: str) -> list[dict[str, Any]]:
    found = [with_keys(part, ["type", "content"], where) for part in parts]
    if unknown := [part["type"] for part in found if part["type"] not in KINDS]:
        raise ValueError(f"{where}: a part has the type {unknown[0]!r}, not text or image")
    return found


def write(out: Path, unit: Unit, parts: Sequence[Part]) -> None:
    folder = out / "isg"
    written = write_pictures(folder, lambda number: f"{unit.id}_o{number}.png", parts)
    kinds = alternating.structure_of(parts)
    contents = [
        text if kind == "text" else str((folder / text).resolve())
        for kind, text in zip(kinds, written)
    ]
    output = [{"type": kind, "content": text} for kind, text in zip(kinds, contents)]
    update_list(folder / "answers.jsonl", {**unit.content.row, "output": output}, as_lines=True)


ask = alternating.ask
judge = partial(alternating.judge, write)
figures = alternating.figures

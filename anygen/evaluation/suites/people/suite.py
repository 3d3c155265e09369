"""What people type, judged in columns: media, text, what the media show, and more.

`anygen evaluate --suite people --data DIR` asks what `anygen generate` with the same seed would.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anygen.core.media import modality_of
from anygen.core.records import Record
from anygen.evaluation.suites.base import (
    Answered,
    Bench,
    Case,
    Line,
    Metric,
    Outcome,
    Source,
    Unit,
    media_in,
    text_of,
)
from anygen.evaluation.suites.people.judging import COLUMNS, mark
from anygen.evaluation.suites.people.rows import Row, read_rows
from anygen.generation.answer import Answer
from anygen.generation.options import AnswerOptions
from anygen.io.media_files import read_media
from anygen.training.dialogues import read_record

UNIT = "request"
NEEDS_MODEL = True
WHOLE = "all"
METRICS = {name: Metric(figure) for name, figure in COLUMNS.items()}


@dataclass(frozen=True)
class FolderRow:
    """A row, and the folder that its media lie in."""

    row: Row
    folder: Path


def read(source: Source) -> list[Unit]:
    """A unit for each row, a task for each kind. Raises ValueError for a row that is not valid."""
    if source.data is None:
        raise ValueError("the suite people needs --data, a folder with people.jsonl")
    return [
        Unit(row.id, row.kind, (row.kind,), FolderRow(row, source.data))
        for row in read_rows(source.data)
    ]


def ask(unit: Unit, seed: int) -> list[Case]:
    row, folder = unit.content.row, unit.content.folder
    record = Record(id=row.id, messages=list(row.turns))
    dialogue = read_record(record, lambda path: read_media(folder / path))
    options = (
        AnswerOptions() if row.modalities is None else AnswerOptions(modalities=row.modalities)
    )
    return [Case(dialogue.messages, options=options)]


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    return [score(bench, one.unit.content, one.answers[0]) for one in answered]


def score(bench: Bench, source: FolderRow, answer: Answer) -> Outcome:
    expect = source.row.expect
    marks, wrong = mark(bench.judges, expect, answer, source.folder)
    media = {f"model {number}": medium for number, medium in enumerate(media_in(answer), start=1)}
    modalities = ", ".join(modality_of(medium) for medium in media.values()) or "no media"
    verdict = {
        "wrong": ", ".join(name for name, right in marks.items() if not right),
        "made": modalities,
    }
    return Outcome(
        {name: {"model": (int(right), 1)} for name, right in marks.items()},
        text_of(answer),
        {name: str(value) for name, value in expect.model_dump(exclude_defaults=True).items()},
        {name: found for name, found in (verdict | wrong).items() if found},
        media,
    )


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    return METRICS

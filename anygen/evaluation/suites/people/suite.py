"""The suite `people`: a task for each kind of row, judged in the columns of the table.

`anygen evaluate --suite people --data DIR` asks what `anygen generate` with the same seed would.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from anygen.core.media import modality_of
from anygen.core.records import Record
from anygen.evaluation.suites.base import (
    AnsweredCase,
    Bench,
    Case,
    Metric,
    Outcome,
    ScoreAnswers,
    Suite,
    Task,
    media_in,
    text_of,
)
from anygen.evaluation.suites.people.judging import COLUMNS, mark
from anygen.evaluation.suites.people.rows import Expectation, Row, read_rows
from anygen.generation.options import AnswerOptions
from anygen.io.media_files import read_media
from anygen.training.dialogues import read_record

WHOLE = "all"
METRICS = {name: Metric(figure) for name, figure in COLUMNS.items()}


def read_tasks(data: Path | None) -> Mapping[str, Task]:
    """A task for each kind of the rows in `data`. Raises ValueError for a row that is not valid."""
    if data is None:
        raise ValueError("the suite people needs --data, a folder with people.jsonl")
    kinds: dict[str, list[Row]] = {}
    for row in read_rows(data):
        kinds.setdefault(row.kind, []).append(row)
    return {kind: make_task(rows, data) for kind, rows in kinds.items()}


def make_task(rows: Sequence[Row], data: Path) -> Task:
    def make_case(_: random.Random, index: int) -> Case:
        return read_case(rows[index], data)

    return Task(tuple(COLUMNS), len(rows), make_case, score_rows(rows, data))


def read_case(row: Row, data: Path) -> Case:
    record = Record(id=row.id, messages=list(row.turns))
    dialogue = read_record(record, lambda path: read_media(data / path))
    options = (
        AnswerOptions() if row.modalities is None else AnswerOptions(modalities=row.modalities)
    )
    return Case(dialogue.messages, options=options, id=row.id)


def score_rows(rows: Sequence[Row], data: Path) -> ScoreAnswers:
    expectations = {row.id: row.expect for row in rows}

    def score(bench: Bench, answered: Sequence[AnsweredCase]) -> list[Outcome]:
        return [score_answer(bench, expectations[one[0].id], one, data) for one in answered]

    return score


def score_answer(bench: Bench, expect: Expectation, answered: AnsweredCase, data: Path) -> Outcome:
    _, _, answer = answered
    marks, wrong = mark(bench.judges, expect, answer, data)
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


SUITE = Suite(METRICS, read_tasks, WHOLE)

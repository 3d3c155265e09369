"""Triggers: whether a prompt gets the media that it calls for: which, how many, in which order.

A line of triggers.jsonl has an id, a prompt, and the media that its answer should hold, in order:
`{"id": "1", "prompt": "Draw an owl and let me hear it.", "media": ["image", "audio"]}`. Precision
and recall are over the media of all answers, whatever their order.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from anygen.core.media import Message, modality_of
from anygen.core.modality import MEDIA, MediaModality
from anygen.evaluation.metrics import overlap
from anygen.evaluation.suites.base import (
    Answered,
    Bench,
    Case,
    Line,
    Metric,
    Outcome,
    Scores,
    Source,
    Unit,
    media_in,
    text_of,
)
from anygen.evaluation.suites.reading import in_order, read_rows
from anygen.generation.answer import Answer

UNIT = "prompt"
NEEDS_MODEL = True  # the texts of answers do not say which media they have
FILE = "triggers.jsonl"
ROWS = {
    "precision": "media made that were called for",
    "recall": "media called for that were made",
    "number": "answers with as many media of each modality as were called for",
    "order": "of answers that call for several media, those with all in their order",
    "plain": "of answers that call for none, those without any",
}


def read(source: Source) -> list[Unit]:
    """A unit for each line. Raises ValueError for a line in another form."""
    path = source.folder("triggers", FILE) / FILE
    if not path.is_file():
        raise ValueError(f"there is no {path}; a line of it has an id, a prompt and media")
    units = []
    for row in read_rows(path, "id", "prompt", "media"):
        media = row["media"]
        if not isinstance(media, list) or any(one not in MEDIA for one in media):
            raise ValueError(f"{path}: media of {row['id']} are {media!r}, not of {MEDIA}")
        task = "several" if len(media) > 1 else media[0] if media else "none"
        units.append(Unit(str(row["id"]), task, rows_of(media), row))
    return in_order(units)


def rows_of(media: Sequence[str]) -> tuple[str, ...]:
    special = ("order",) if len(media) > 1 else () if media else ("plain",)
    return ("precision", "recall", "number", *special)


def ask(unit: Unit, seed: int) -> list[Case]:
    expected: tuple[MediaModality, ...] = tuple(unit.content["media"])
    return [Case([Message("user", (unit.content["prompt"],))], expected=expected)]


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    return [score(one.unit, one.answers[0]) for one in answered]


def score(unit: Unit, answer: Answer) -> Outcome:
    media = media_in(answer)
    scores = media_scores([modality_of(one) for one in media], unit.content["media"])
    shown = {f"model {number}": one for number, one in enumerate(media, start=1)}
    truth = {"media": " + ".join(unit.content["media"]) or "none"}
    verdict = {"media": " + ".join(map(modality_of, media)) or "none"}
    return Outcome(scores, text_of(answer), truth, verdict, shown)


def media_scores(media: Sequence[str], expected: Sequence[str]) -> Scores:
    """Of the modalities of an answer's media, by row."""
    right = overlap(media, expected)
    is_same = list(media) == list(expected)
    found: dict[str, Any] = {
        "precision": (right, len(media)),
        "recall": (right, len(expected)),
        "number": (int(sorted(media) == sorted(expected)), 1),
        "order": (int(is_same), 1),
        "plain": (int(is_same), 1),
    }
    return {row: {"model": found[row]} for row in rows_of(expected)}


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    return {name: Metric(about) for name, about in ROWS.items()}

"""What suites of alternating text and pictures share: questions, structure, and the answer's files.

An answer's structure is the sequence of its parts, such as `text image image`; texts of nothing but
white space are no parts.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anygen.core.media import Image, Message, Part
from anygen.evaluation.suites.base import (
    Answered,
    Bench,
    Case,
    Line,
    Metric,
    Outcome,
    Scores,
    Unit,
    media_in,
    text_of,
)
from anygen.generation.answer import Answer
from anygen.generation.options import AnswerOptions
from anygen.io.atomic import replacing, write_json
from anygen.io.media_files import read_media, write_media

TOKENS = 512
ROWS = {
    "structure": "answers with the text and the pictures of the gold answer, in its order",
    "number": "answers with as many pictures as the gold answer",
    "made": "answers with pictures, where the gold answer has some",
}


@dataclass(frozen=True)
class Question:
    """The content of a unit."""

    question: tuple[str | Path, ...]  # paths are pictures
    gold: tuple[str, ...]  # the structure of the gold answer
    row: Mapping[str, Any]  # of the file


def ask(unit: Unit, seed: int) -> list[Case]:
    question = unit.content.question
    parts: tuple[Part, ...] = tuple(
        part if isinstance(part, str) else read_media(part) for part in question
    )
    options = AnswerOptions(modalities=("text", "image"), max_new_tokens=TOKENS)
    return [Case([Message("user", parts)], options=options)]


def parts_of(answer: Answer) -> list[Part]:
    return [part for part in answer.message.parts if not isinstance(part, str) or part.strip()]


def structure_of(parts: Sequence[Part]) -> tuple[str, ...]:
    return tuple("text" if isinstance(part, str) else "image" for part in parts)


def score(unit: Unit, answer: Answer) -> Outcome:
    shown = {f"model {number}": one for number, one in enumerate(media_in(answer), start=1)}
    outcome = score_structure(unit, structure_of(parts_of(answer)))
    return replace(outcome, text=text_of(answer), media=shown)


def score_structure(unit: Unit, found: Sequence[str]) -> Outcome:
    """Of an answer by the kinds of its parts."""
    gold = unit.content.gold
    scores: Scores = {
        "structure": {"model": (int(tuple(found) == gold), 1)},
        "number": {"model": (int(found.count("image") == gold.count("image")), 1)},
    }
    if "image" in gold:
        scores["made"] = {"model": (int("image" in found), 1)}
    truth, verdict = {"structure": " ".join(gold)}, {"structure": " ".join(found) or "nothing"}
    return Outcome(scores, "", truth, verdict)


WriteAnswer = Callable[[Path, Unit, Sequence[Part]], None]  # to the folder of results


def judge(write: WriteAnswer, bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    """Writes each answer in the layout of its benchmark."""
    outcomes = []
    for one in answered:
        write(bench.out, one.unit, parts_of(one.answers[0]))
        outcomes.append(score(one.unit, one.answers[0]))
    return outcomes


def write_pictures(folder: Path, names: Callable[[int], str], parts: Sequence[Part]) -> list[str]:
    """Writes the pictures among the parts; each part as its text or the name of its file."""
    folder.mkdir(parents=True, exist_ok=True)
    written, count = [], 0
    for part in parts:
        if isinstance(part, Image):
            written.append(names(count))
            write_media(part, folder / written[-1])
            count += 1
        elif isinstance(part, str):
            written.append(part.strip())
    return written


def in_steps(parts: Sequence[Part], written: Sequence[str]) -> list[dict[str, str | None]]:
    """A text with the picture that follows it, as OpenING and MMIE write answers."""
    steps: list[dict[str, str | None]] = []
    for part, text in zip(parts, written):
        if isinstance(part, str):
            steps.append({"text": text, "image": None})
        elif steps and steps[-1]["image"] is None:
            steps[-1]["image"] = text
        else:
            steps.append({"text": None, "image": text})
    return steps


def update_list(path: Path, row: Mapping[str, Any], as_lines: bool) -> None:
    """Adds a row to a file of many, in place of an earlier one with its id."""
    rows: list[Any] = []
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        rows = list(map(json.loads, text.split("\n")[:-1])) if as_lines else json.loads(text)
    rows = [one for one in rows if one["id"] != row["id"]] + [row]
    path.parent.mkdir(parents=True, exist_ok=True)
    if as_lines:
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows)
        with replacing(path) as temporary:
            temporary.write_text(lines, encoding="utf-8")
    else:
        write_json(rows, path)


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    return {name: Metric(about) for name, about in ROWS.items()}

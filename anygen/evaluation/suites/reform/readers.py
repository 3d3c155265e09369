"""Reads the released files of ReForm-Eval: one kind of sample from all layouts.

The layouts differ in the names of their keys, in whether the right answer is a text or its place,
and in where the options are; pictures are base64.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anygen.core.text import from_json
from anygen.evaluation.suites.reading import with_keys
from anygen.evaluation.suites.reform.catalogue import (
    COCO_COUNTS,
    CONTEXT,
    CORNERS,
    RATIONALE,
    REASON,
    TDIUC_KINDS,
    TaskSet,
)

Row = Mapping[str, Any]
Box = tuple[int, int, int, int]  # left, top, right, bottom
IDS = ("question_id", "instance_id", "id")
IMAGES = ("image", "img", "image_id", "Image_ID")
OPTIONS, REASON_OPTIONS = ("answer_options", "options", "anno"), ("rationale_options",)
ANSWERS, REASONS = ("answer", "gt"), ("rationale",)
ADDED = {CONTEXT: "Context", RATIONALE: "Rationale", REASON: "Answer"}  # to the question
DRAWN = 3  # wrong options
MAX_OPTIONS = 26  # letters


@dataclass(frozen=True)
class Sample:
    """A question about a picture.

    `options` are empty for an open question. Where `pool` is not, every repeat draws its wrong
    options from there, and `options` holds the right one alone.
    """

    id: str
    images: tuple[str, ...]  # base64, mostly one
    questions: tuple[str, ...] = ()  # the same in other words; empty if the set has them
    detail: str = ""  # what the set's questions are about, such as a caption
    options: tuple[str, ...] = ()
    gold: int = 0  # the place of the right option
    texts: tuple[str, ...] = ()  # the right answers to an open question, or people's captions
    boxes: tuple[Box, ...] = ()
    pool: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dialogue:
    """Questions about one picture, each of which follows from those before it."""

    id: str
    images: tuple[str, ...]
    rounds: tuple[Sample, ...]  # without pictures of their own


def read_set(folder: Path, task: TaskSet) -> list[Sample] | list[Dialogue]:
    """The samples of a set. Raises ValueError, with the row, for what is not in its layout."""
    path = folder / task.file
    match task.family:
        case "dialogue":
            return read_dialogues(path)
        case "tdiuc":
            return read_tdiuc(folder, task)
        case "drawn":
            return read_counts(folder, path)
    read: Callable[[Row, int, TaskSet, str], Sample]
    read = {"choice": read_choice, "text": read_text, "caption": read_caption}[task.family]
    return [
        read(row, number, task, f"{path}: row {number}")
        for number, row in enumerate(read_rows(path))
    ]


def read_rows(path: Path) -> list[Row]:
    """The rows of a file: `{"data": [..]}`, a list, or a JSON object in each line."""
    rows = read_value(path)
    if isinstance(rows, dict) and "data" in rows:
        rows = rows["data"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path}: holds no list of rows")
    return rows


def read_value(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    try:
        return from_json(text)
    except ValueError as error:
        try:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            raise ValueError(f"{path}: is not JSON: {error}") from None


def first(row: Row, keys: Sequence[str], where: str) -> Any:
    """The value under the first of these keys that a row has. Raises ValueError if it has none."""
    for key in keys:
        if key in row:
            return row[key]
    raise ValueError(f"{where}: lacks {' or '.join(keys)}")


def images_of(row: Row, where: str) -> tuple[str, ...]:
    """One picture or, in the form of MP3D, also several in their order."""
    found = first(row, IMAGES, where)
    return tuple(map(str, found)) if isinstance(found, list) else (str(found),)


def read_choice(row: Row, number: int, task: TaskSet, where: str) -> Sample:
    answers, choices = (REASONS, REASON_OPTIONS) if task.turn is REASON else (ANSWERS, OPTIONS)
    options = tuple(map(str, task.options or first(row, choices, where)))
    if not 0 < len(options) <= MAX_OPTIONS:
        raise ValueError(f"{where}: has {len(options)} options; there may be 1 to {MAX_OPTIONS}")
    answer = first(row, answers, where)
    if task.name == "VSR":  # its own reader ends the sentences
        options = tuple(text if text.endswith(".") else f"{text}." for text in options)
    return Sample(
        str(row.get(next((key for key in IDS if key in row), ""), number)),
        images_of(row, where),
        questions_of(row, task, where),
        str(row.get("method", row["anno"] if isinstance(row.get("anno"), str) else "")),
        options,
        place_of(answer, options, where),
        boxes=boxes_of(row, task, where),
    )


def questions_of(row: Row, task: TaskSet, where: str) -> tuple[str, ...]:
    """All wordings of the question, with what belongs to it; empty if it is that of the set."""
    if task.question_kind:
        return ()
    if "claim" in row:
        evidence = str(first(row, ("text_evidence",), where)).strip()
        about = f"Claim: {str(row['claim']).strip()} Text Evidence: {evidence}"
        return (f"What is the truthfulness of this claim? {about}",)
    wordings = first(row, ("questions", "question"), where)
    end = ""
    if label := ADDED.get(task.turn):
        end = f" {label}: {str(first(row, (label.lower(),), where)).strip()}"
    texts = [wordings] if isinstance(wordings, str) else wordings
    if not texts:
        raise ValueError(f"{where}: has no question")
    return tuple(f"{text}{end}" for text in texts)


def place_of(answer: Any, options: Sequence[str], where: str) -> int:
    """Of the right option, which is given as a text or as its place.

    Raises ValueError if it is none of them.
    """
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(options):
        return answer
    if str(answer) in options:
        return options.index(str(answer))
    raise ValueError(f"{where}: the answer {answer!r} is none of its {len(options)} options")


def boxes_of(row: Row, task: TaskSet, where: str) -> tuple[Box, ...]:
    """Corners and sizes, or two corners, one list or several, as corners.

    Raises ValueError for a box that is not four numbers.
    """
    found = row.get("bbox", row.get("region")) or ()
    boxes = [found] if found and not isinstance(found[0], list) else found
    for box in boxes:
        if len(box) != 4 or not all(isinstance(one, int | float) for one in box):
            raise ValueError(f"{where}: the box {box!r} is not four numbers")
    if task.name in CORNERS:
        return tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in boxes)
    return tuple((int(x), int(y), int(x + w), int(y + h)) for x, y, w, h in boxes)


def read_text(row: Row, number: int, task: TaskSet, where: str) -> Sample:
    answer = first(row, ("answer_txt", "answer"), where)
    texts = [answer] if isinstance(answer, str) else [str(one) for one in answer]
    if not task.fuzzy:  # the parts of one text
        texts = [" ".join(texts)]
    if not all(texts):
        raise ValueError(f"{where}: has no answer")
    return Sample(
        str(first(row, IDS, where)),
        images_of(row, where),
        questions_of(row, task, where),
        texts=tuple(texts),
        boxes=boxes_of(row, task, where),
    )


def read_caption(row: Row, number: int, task: TaskSet, where: str) -> Sample:
    texts = first(row, ("annos",), where)
    if not texts:
        raise ValueError(f"{where}: has no captions")
    return Sample(str(number), images_of(row, where), texts=tuple(map(str, texts)))


def read_counts(folder: Path, path: Path) -> list[Sample]:
    """Counts in COCO's pictures; the wrong ones are drawn from a list of all."""
    pool = read_pool(folder / COCO_COUNTS)
    samples = []
    for number, row in enumerate(read_rows(path)):
        where = f"{path}: row {number}"
        row = with_keys(row, ("Image_ID", "Question", "Answer"), where)
        gold = str(row["Answer"])
        others = without(pool, gold, where)
        samples.append(
            Sample(
                str(number + 1),
                images_of(row, where),
                (row["Question"],),
                options=(gold,),
                pool=others,
            )
        )
    return samples


def read_tdiuc(folder: Path, task: TaskSet) -> list[Sample]:
    """Questions and annotations lie apart, and the options in a list for each kind."""
    path, kind = folder / task.file, TDIUC_KINDS[task.name]
    golds = {row["question_id"]: row for row in read_rows(path.with_name("TDIUC_val_anns.json"))}
    pool = read_pool(path.with_name("choice_list") / f"{kind}.json")
    samples = []
    for number, row in enumerate(read_rows(path)):
        where = f"{path}: row {number}"
        row = with_keys(row, ("question_id", "image_id", "question"), where)
        gold = golds.get(row["question_id"])
        if gold is None:
            raise ValueError(f"{where}: question {row['question_id']} has no annotation")
        if gold["question_type"] != kind:
            continue
        answer = str(gold["answers"][0]["answer"])
        yes_or_no = answer in ("yes", "no")
        samples.append(
            Sample(
                str(row["question_id"]),
                images_of(row, where),
                (row["question"],),
                options=("yes", "no") if yes_or_no else (answer,),
                gold=int(answer == "no"),
                pool=() if yes_or_no else without(pool, answer, where),
            )
        )
    return samples


def read_pool(path: Path) -> list[str]:
    """`{"choice": [..]}`, also as the only row of a list."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}, from which wrong options are drawn")
    value = read_value(path)
    row = value[0] if isinstance(value, list) and len(value) == 1 else value
    found = with_keys(row, ["choice"], str(path))["choice"]
    options: list[str] = list(map(str, found[0] if isinstance(found[0], list) else found))
    return options


def without(pool: Sequence[str], gold: str, where: str) -> tuple[str, ...]:
    others = tuple(dict.fromkeys(text for text in pool if text != gold))
    if len(others) < DRAWN:
        raise ValueError(f"{where}: {len(others)} wrong options to draw from; it needs {DRAWN}")
    return others


def read_dialogues(path: Path) -> list[Dialogue]:
    """Questions and answers are numbers of two lists."""
    value = read_value(path)
    data = with_keys(value, ["data"], str(path))["data"]
    data = with_keys(data, ("questions", "answers", "dialogs"), str(path))
    dialogues = []
    for number, row in enumerate(data["dialogs"]):
        where = f"{path}: dialogue {number}"
        row = with_keys(row, ("image_id", "image_base64", "dialog"), where)
        if not row["dialog"]:
            raise ValueError(f"{where}: has no questions")
        rounds = [
            read_round(turn, data, f"{row['image_id']}_{place}", where)
            for place, turn in enumerate(row["dialog"])
        ]
        dialogues.append(Dialogue(str(row["image_id"]), (row["image_base64"],), tuple(rounds)))
    return dialogues


def read_round(row: Row, data: Row, name: str, where: str) -> Sample:
    """Raises ValueError for numbers that the lists do not have."""
    row = with_keys(row, ("question", "answer", "answer_options"), where)
    try:
        question = data["questions"][row["question"]]
        options = [data["answers"][number] for number in row["answer_options"]]
        gold = row["answer_options"].index(row["answer"])
    except (IndexError, TypeError):
        raise ValueError(f"{where}: names a question or an answer that is not listed") from None
    except ValueError:
        raise ValueError(f"{where}: the answer {row['answer']!r} is no option") from None
    question = question if question.endswith("?") else f"{question}?"
    return Sample(name, (), (question,), options=tuple(map(str, options)), gold=gold)

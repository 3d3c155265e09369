"""VCR: what people in a picture do and why, with four answers and then four reasons.

Zellers et al. 2019 (arXiv:1811.10830). `q_a` is the share of right answers, `qa_r` that of right
reasons for the given right answer, `q_ar` both. Objects are framed in colours and named after their
kind and number; the option is taken from an answer as in MMBench. In the mode `likelihood` the
likeliest option is the answer, which the question then does not show.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anygen.core.media import Image
from anygen.evaluation.suites.base import (
    LIKELIHOOD,
    Answered,
    Bench,
    Case,
    Line,
    Metric,
    Outcome,
    Source,
    Unit,
)
from anygen.evaluation.suites.mmbench import LETTERS, find_option
from anygen.evaluation.suites.reading import (
    find_medium,
    in_order,
    question,
    read_json,
    read_rows,
    with_keys,
)
from anygen.evaluation.suites.reform.pictures import with_boxes
from anygen.io.media_files import read_media

UNIT = "question"
MODES = ("generation", LIKELIHOOD)
SPLITS = ("val", "train")  # the test split has no answers
LAYOUT = "val.jsonl and vcr1images/ with pictures and their .json of boxes"
KEYS = (
    "annot_id",
    "question",
    "answer_choices",
    "answer_label",
    "rationale_choices",
    "rationale_label",
    "objects",
    "img_fn",
    "metadata_fn",
)
FRAMES = {
    "red": (255, 0, 0),
    "green": (0, 160, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 215, 0),
    "magenta": (255, 0, 255),
    "cyan": (0, 255, 255),
    "orange": (255, 128, 0),
    "white": (255, 255, 255),
}
GLUED = re.compile(r"\s+([.,?!;:]|n't\b|'\w+)")  # to the word before
REQUEST = "Please select the correct answer from the options above. \n"
CHANCES = {"q_a": 25.0, "qa_r": 25.0, "q_ar": 6.25}
Tokens = Sequence[Any]  # words, and lists of numbers of objects


def read(source: Source) -> list[Unit]:
    """A unit for each line. Raises ValueError for lines and boxes that are not in their layout."""
    folder = source.folder("vcr", LAYOUT)
    path = folder / f"{source.split or SPLITS[0]}.jsonl"
    if not path.is_file():
        raise ValueError(f"there is no file {path}; --data takes a folder with {LAYOUT}")
    rows = read_rows(path, *KEYS)
    return in_order([read_unit(folder, row, source.mode, str(path)) for row in rows])


def read_unit(folder: Path, row: Mapping[str, Any], mode: str, where: str) -> Unit:
    where = f"{where}: {row['annot_id']}"
    for kind in ("answer", "rationale"):
        if row[f"{kind}_label"] not in range(len(row[f"{kind}_choices"])):
            raise ValueError(f"{where}: the {kind} {row[f'{kind}_label']!r} is no option")
    shown = mentioned(row)
    if any(not 0 <= number < len(row["objects"]) for number in shown):
        raise ValueError(f"{where}: names an object that it does not list")
    picture = find_medium(folder, row["img_fn"], (f"vcr1images/{Path(row['img_fn']).parent}",))
    boxes = find_medium(
        folder, row["metadata_fn"], (f"vcr1images/{Path(row['metadata_fn']).parent}",)
    )
    return Unit(row["annot_id"], "vcr", tuple(CHANCES), (row, shown, picture, boxes, mode))


def mentioned(row: Mapping[str, Any]) -> list[int]:
    """The objects that the question and its options name, in the order of their numbers."""
    texts = (row["question"], *row["answer_choices"], *row["rationale_choices"])
    return sorted({n for text in texts for one in text if isinstance(one, list) for n in one})


def words(tokens: Tokens, objects: Sequence[str]) -> str:
    """`Does person2 feel comfortable?`"""
    texts = [
        " and ".join(name_of(number, objects) for number in one) if isinstance(one, list) else one
        for one in tokens
    ]
    return GLUED.sub(r"\1", " ".join(texts))


def name_of(number: int, objects: Sequence[str]) -> str:
    return f"{objects[number]}{number + 1}"


def ask(unit: Unit, seed: int) -> list[Case]:
    """The question, and the one about the reason. Raises ValueError for boxes of another form."""
    row, shown, path, boxes, mode = unit.content
    objects = row["objects"]
    picture = framed(path, boxes, shown)
    colours = [f"{name_of(n, objects)} in {colour}" for n, colour in zip(shown, cycled(len(shown)))]
    frames = f"In the image these are framed: {', '.join(colours)}.\n" if colours else ""
    text = words(row["question"], objects)
    right = words(row["answer_choices"][row["answer_label"]], objects)
    questions = (
        (text, row["answer_choices"]),
        (f"{text} {right} Why?", row["rationale_choices"]),
    )
    return [
        case_of(frames + text, picture, [words(one, objects) for one in options], mode)
        for text, options in questions
    ]


def framed(path: Path, boxes: Path, shown: Sequence[int]) -> Image:
    picture = read_media(path)
    if not isinstance(picture, Image):
        raise ValueError(f"{path}: is no picture")
    found = with_keys(read_json(boxes), ["boxes"], str(boxes))["boxes"]
    if any(number >= len(found) for number in shown):
        raise ValueError(f"{boxes}: has {len(found)} boxes, fewer than its picture has objects")
    corners = [(int(a), int(b), int(c), int(d)) for a, b, c, d, *_ in map(found.__getitem__, shown)]
    return with_boxes(picture, corners, tuple(FRAMES.values()))


def cycled(count: int) -> list[str]:
    names = list(FRAMES)
    return [names[number % len(names)] for number in range(count)]


def case_of(text: str, picture: Image, options: Sequence[str], mode: str) -> Case:
    if mode == LIKELIHOOD:
        return question(text, picture, choices=options)
    listed = "".join(f"{letter}. {option}\n" for letter, option in zip(LETTERS, options))
    return question(f"Question: {text}\nOptions:\n{listed}{REQUEST}", picture)


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    return [score(one.unit, one.texts) for one in answered]


def score(unit: Unit, texts: Sequence[str | None]) -> Outcome:
    row, *_, mode = unit.content
    letters, golds = [], []
    for kind, text in zip(("answer", "rationale"), texts):
        options = [words(one, row["objects"]) for one in row[f"{kind}_choices"]]
        golds.append(LETTERS[row[f"{kind}_label"]])
        if mode == LIKELIHOOD:
            letters.append(LETTERS[options.index(text)] if text in options else "")
        else:
            letters.append("" if text is None else find_option(text, options))
    right = [letter == gold for letter, gold in zip(letters, golds)]
    scores = dict(zip(CHANCES, (*right, all(right))))
    return Outcome(
        {name: {"model": (int(value), 1)} for name, value in scores.items()},
        " / ".join(text or "" for text in texts),
        {"answers": " ".join(golds)},
        {"answers": " ".join(letter or "-" for letter in letters)},
        unparsed=sum(not letter for letter, text in zip(letters, texts) if text is not None),
    )


METRICS = {
    "q_a": Metric("answers that are right", chance=CHANCES["q_a"]),
    "qa_r": Metric("reasons that are right", chance=CHANCES["qa_r"]),
    "q_ar": Metric("both right", chance=CHANCES["q_ar"]),
}


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    return METRICS

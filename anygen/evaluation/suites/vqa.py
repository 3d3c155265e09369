"""VQA accuracy: open questions, each with ten people's answers (VQA v2, OK-VQA, TextVQA's form).

Antol et al. 2015 (arXiv:1505.00468); accuracy and normalisation are those of its evaluation tools.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anygen.evaluation.suites.base import (
    Answered,
    Bench,
    Case,
    Line,
    Measure,
    Metric,
    Numbers,
    Outcome,
    Source,
    Unit,
)
from anygen.evaluation.suites.reading import (
    PICTURES,
    in_order,
    only_file,
    question,
    read_json,
    with_keys,
)

UNIT = "question"
MODES = ("short", "plain")
LAYOUT = "*questions.json, *annotations.json and the pictures of COCO in a folder"
SHORT = "\nAnswer the question using a single word or phrase."  # LLaVA's; `plain` asks without it
FOLDERS = (".", "images", "val2014", "train2014", "val2017", "train2017")
AGREE = 3  # people who gave an answer that is all right
TOKENS = 32

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
COMMA_IN_NUMBER = re.compile(r"\d,\d")
PERIOD = re.compile(r"(?!<=\d)\.(?!\d)")  # the tools' own, with their slip: it should be (?<!\d)
MAX_PERIODS = 32  # re.UNICODE stands where the tools' call takes a count
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
NUMBERS = {"none": "0"} | {word: str(number) for number, word in enumerate(DIGITS)}
ARTICLES = {"a", "an", "the"}
CONTRACTED = """
ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd
how'll how's isn't it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock
oughtn't shan't should've shouldn't somebody'll somebody's someone'd someone'll someone's
something'd something'll that's there'd there're there's they'd they'll they're they've 'twas wasn't
we've weren't what'll what're what's what've when's where'd where's where've who'd who'll who's
who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've couldn't've
hadn't've he'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've
something'd've there'd've they'd've we'd've wouldn't've y'all'll you'd've y'all'd've 'ow's'at
"""
CONTRACTIONS = {
    form[:place] + form[place + 1 :]: form
    for form in CONTRACTED.split()
    for place, letter in enumerate(form)
    if letter == "'"
} | {"somebody'd": "somebodyd"}


def read(source: Source) -> list[Unit]:
    """A unit for each question.

    Raises ValueError for files in another layout, and for a question without answers or picture.
    """
    folder = source.folder("vqa", LAYOUT)
    questions = read_json(only_file(folder, "*questions.json", LAYOUT))
    annotations = read_json(only_file(folder, "*annotations.json", LAYOUT))
    rows = with_keys(questions, ["questions"], str(folder))["questions"]
    golds = {
        row["question_id"]: with_keys(row, ["answers"], "annotations")
        for row in with_keys(annotations, ["annotations"], str(folder))["annotations"]
    }
    return in_order([read_unit(folder, row, golds, source.mode) for row in rows])


def read_unit(folder: Path, row: Any, golds: Mapping[Any, Any], mode: str) -> Unit:
    row = with_keys(row, ["question_id", "image_id", "question"], "questions")
    number = row["question_id"]
    if number not in golds:
        raise ValueError(f"question {number} has no annotation")
    answers = [one["answer"] for one in golds[number]["answers"]]
    if not answers:
        raise ValueError(f"question {number} has no answers")
    text = row["question"] + (SHORT if mode == "short" else "")
    content = (find_image(folder, row["image_id"]), text, answers)
    kind = golds[number].get("answer_type") or "other"
    return Unit(str(number), kind, ("overall", kind), content)


def find_image(folder: Path, image_id: Any) -> Path:
    """By COCO's names of files, or by the id itself."""
    names = [f"{image_id}"]
    if str(image_id).isdigit():
        number = f"{int(image_id):012d}"
        names += [number, *(f"COCO_{split}_{number}" for split in ("val2014", "train2014"))]
    for below in FOLDERS:
        for path in (folder / below / f"{name}{suffix}" for name in names for suffix in PICTURES):
            if path.is_file():
                return path
    raise ValueError(
        f"there is no picture {names[-1]}.jpg in {folder} or its {', '.join(FOLDERS[1:])}"
    )


def ask(unit: Unit, seed: int) -> list[Case]:
    picture, text, _ = unit.content
    return [question(text, picture, tokens=TOKENS)]


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    return [score(one.unit, one.texts[0]) for one in answered]


def score(unit: Unit, text: str | None) -> Outcome:
    answers = unit.content[2]
    share = 0.0 if text is None else accuracy(text, answers)
    return Outcome(
        {},
        text or "",
        {"answers": ", ".join(dict.fromkeys(answers))},
        {"accuracy": f"{share:.2f}", "read as": normalized(text or "")},
        numbers=dict.fromkeys(unit.rows, share),
        unparsed=int(text is not None and not text.strip()),
    )


def accuracy(text: str, answers: Sequence[str]) -> float:
    """The mean, over all sets without one of the answers, of min(1, answers that agree / 3).

    Texts are normalised only where the answers differ, as in the tools.
    """
    text = text.replace("\n", " ").replace("\t", " ").strip()
    if len(set(answers)) > 1:
        text, answers = normalized(text), list(map(normalized, answers))
    agree = [int(answer == text) for answer in answers]
    total = sum(agree)
    return sum(min(1.0, (total - one) / AGREE) for one in agree) / len(agree)


def normalized(text: str) -> str:
    words = [NUMBERS.get(word, word) for word in without_punctuation(text).lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)


def without_punctuation(text: str) -> str:
    """A mark beside a blank is deleted, another one becomes a blank."""
    result = text
    comma = COMMA_IN_NUMBER.search(text) is not None
    for mark in PUNCTUATION:
        beside_blank = f"{mark} " in text or f" {mark}" in text
        result = result.replace(mark, "" if beside_blank or comma else " ")
    return PERIOD.sub("", result, count=MAX_PERIODS)


def mean(row: str, numbers: Sequence[Numbers]) -> float:
    """In percent."""
    return 100 * sum(one[row] for one in numbers) / len(numbers)


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    rows = dict.fromkeys(["overall", *sorted({line["task"] for line in lines})])
    return {row: metric_of(row) for row in rows}


def metric_of(row: str) -> Metric:
    measure = Measure((row,), lambda numbers: mean(row, numbers), lambda one: float(one[row]))
    about = "agreement with people's answers"
    return Metric(about if row == "overall" else f"{about}, {row}", measure=measure)

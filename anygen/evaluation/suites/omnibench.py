"""OmniBench: four options about a picture and a sound that only both together decide.

Li et al. 2024 (arXiv:2409.15272). The option is taken from an answer by the rules of its
answer_parsing.py, where an answer in no such form is wrong. The modes `image` and `audio` leave the
other medium out; in the mode `likelihood` the likeliest option is the answer, which the question
then does not show.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
from anygen.evaluation.suites.reading import find_medium, in_order, only_file, question, read_rows

UNIT = "question"
GIVEN = {"both": "image and audio", "image": "image", "audio": "audio"}
MODES = (*GIVEN, LIKELIHOOD)
LAYOUT = "dataset/*.jsonl and mm_data/image/, mm_data/audio/"
KEYS = ("index", "task type", "audio type", "question", "options", "answer")
LETTERS = "ABCD"
# Forms of a letter, and what is looked up for the last one of several.
FORMS = (("({})", "({})"), ("{} ", " {} "), ("{}.", " {} "))
MIN_WORDS = 6  # of an answer in which an option's text counts
CHANCE = 25.0


def read(source: Source) -> list[Unit]:
    """A unit for each line. Raises ValueError for an answer that is no option, and for no media."""
    folder = source.folder("omnibench", LAYOUT)
    data = folder / "dataset" if (folder / "dataset").is_dir() else folder
    path = only_file(data, "*.jsonl", LAYOUT)
    rows = read_rows(path, *KEYS, "image_path", "audio_path")
    return in_order([read_unit(folder, row, source.mode, str(path)) for row in rows])


def read_unit(folder: Path, row: Mapping[str, Any], mode: str, where: str) -> Unit:
    where = f"{where}: question {row['index']}"
    options = list(map(str, row["options"]))
    if len(options) != len(LETTERS):
        raise ValueError(f"{where}: has {len(options)} options; it needs {len(LETTERS)}")
    if row["answer"] not in options:
        raise ValueError(f"{where}: the answer {row['answer']!r} is none of its options")
    media = [
        find_medium(folder, row[f"{kind}_path"], (kind, f"mm_data/{kind}"))
        for kind in ("image", "audio")
        if mode in (kind, "both", LIKELIHOOD)
    ]
    kinds = [str(row[key]).strip().lower() for key in ("audio type", "task type")]
    content = (media, row["question"], options, options.index(row["answer"]), mode)
    return Unit(str(row["index"]), kinds[1], ("overall", *kinds), content)


def ask(unit: Unit, seed: int) -> list[Case]:
    media, text, options, _, mode = unit.content
    start = (
        f"Please answer the following question based on the given {GIVEN.get(mode, GIVEN['both'])}"
    )
    if mode == LIKELIHOOD:
        return [question(f"{start}:\n{text}", *media, choices=options)]
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options))
    end = f"Please choose only one answer from the following options:\n{listed}."
    return [question(f"{start}:\n{text}.\n{end}", *media)]


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    return [score(one.unit, one.texts[0]) for one in answered]


def score(unit: Unit, text: str | None) -> Outcome:
    _, _, options, gold, mode = unit.content
    if mode == LIKELIHOOD:
        letter = LETTERS[options.index(text)] if text in options else ""
    else:
        letter = "" if text is None else find_letter(text, options)
    right = letter == LETTERS[gold]
    return Outcome(
        {row: {"model": (int(right), 1)} for row in unit.rows},
        text or "",
        {"answer": LETTERS[gold]},
        {"answer": letter or "-"},
        unparsed=int(text is not None and not letter),
    )


def find_letter(text: str, options: Sequence[str]) -> str:
    """The letter of the option that an answer names last; empty if it names none.

    The forms count in this order: (X), X before a blank, X before a full stop, and in longer
    answers the text of the option. Of several letters before full stops the first one counts.
    """
    padded = f" {text} "
    for form, last in FORMS:
        if named := [letter for letter in LETTERS if form.format(letter) in padded]:
            return max(named, key=lambda letter: padded.rfind(last.format(letter)))
    if len(padded.split()) < MIN_WORDS:
        return ""
    lower = padded.lower()
    named = [letter for letter, one in zip(LETTERS, options) if one.lower() in lower]
    ends = {letter: lower.rfind(options[LETTERS.index(letter)].lower()) for letter in named}
    return max(named, key=lambda letter: ends[letter], default="")


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    """All questions, and those of each kind of sound and of task."""
    rows = dict.fromkeys(row for line in lines for row in line["scores"])
    order = ["overall", *sorted(set(rows) - {"overall"})]
    return {row: Metric(f"answers that are right, {row}", chance=CHANCE) for row in order}

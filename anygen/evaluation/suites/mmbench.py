"""MMBench: multiple choice with options in every rotation, right only if right in all.

Liu et al. 2023 (arXiv:2307.06281). A file has a row for each rotation ("circular passes"), or one
for each question, of which the rotations are then made. The option is taken from an answer as by
VLMEvalKit's exact matching; what this does not find is wrong, unless the language model of --judge
reads it. In the mode `likelihood` the likeliest of the letters is the answer, in every rotation.
"""

import csv
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from anygen.core.media import Media
from anygen.evaluation.suites.base import (
    LIKELIHOOD,
    Answered,
    Bench,
    Case,
    Line,
    Metric,
    Outcome,
    Reader,
    Source,
    Unit,
)
from anygen.evaluation.suites.reading import decoded, in_order, only_file, question

UNIT = "question"
READS = True
MODES = ("circular", "vanilla", LIKELIHOOD)
LAYOUT = "one .tsv with index, question, A, B, .., answer, category, image"
LETTERS = "ABCDEFGH"
NEEDED = ("index", "question", "A", "B", "answer", "image")
PASS = 1_000_000  # added to the index for each rotation
LONGEST_REFERENCE = 64  # a shorter entry under image is the index of another row
REQUEST = "Please select the correct answer from the options above. \n"
BLANKED = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
LAST = 4  # words of an answer in which a single letter counts as the option
ANSWER_IS = re.compile(r"answer is[\s:]*\**\s*\(?([A-H])\b", re.IGNORECASE)
REFUSAL = re.compile(r"\b(sorry|(can['’]?t|cannot) (determine|process|help))", re.IGNORECASE)


@dataclass(frozen=True)
class Choice:
    """A question with its options in one order; `image` is base64, `gold` a letter."""

    text: str
    hint: str
    options: tuple[str, ...]
    gold: str
    image: str
    compared: bool = False  # whether the letters are compared instead of one written

    @cached_property
    def prompt(self) -> str:
        hint = f"Hint: {self.hint}\n" if self.hint else ""
        options = "".join(f"{letter}. {text}\n" for letter, text in zip(LETTERS, self.options))
        return f"{hint}Question: {self.text}\nOptions:\n{options}{REQUEST}"

    def rotated(self, by: int) -> "Choice":
        options = self.options[by:] + self.options[:by]
        place = (LETTERS.index(self.gold) - by) % len(options)
        return replace(self, options=options, gold=LETTERS[place])


def read(source: Source) -> list[Unit]:
    """A unit for each question with all its rotations.

    Raises ValueError for an answer that is no option, an incomplete group, and a file without
    answers.
    """
    path = only_file(source.folder("mmbench", LAYOUT), "*.tsv", LAYOUT)
    rows = {row["index"]: row for row in read_table(path)}
    groups: dict[int, dict[int, dict[str, str]]] = {}
    for index, row in rows.items():
        number, group = divmod(int(index), PASS)
        groups.setdefault(group, {})[number] = row
    has_passes = any(max(group) for group in groups.values())
    units = []
    for group, passes in groups.items():
        where = f"{path}: question {group}"
        choices = {n: read_choice(row, rows, where) for n, row in sorted(passes.items())}
        rotations = complete(choices, has_passes, where)
        names = [passes[min(passes)].get(key) or "" for key in ("l2-category", "category")]
        rows_fed = ("overall", *(name for name in names if name))
        used = rotations[:1] if source.mode == "vanilla" else rotations
        used = [replace(one, compared=source.mode == LIKELIHOOD) for one in used]
        units.append(Unit(str(group), names[1] or "all", rows_fed, used))
    return in_order(units)


def read_table(path: Path) -> list[dict[str, str]]:
    """Raises ValueError for a file that lacks columns, or with an index twice."""
    csv.field_size_limit(sys.maxsize)  # pictures are fields
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, delimiter="\t")
        if missing := [key for key in NEEDED if key not in (reader.fieldnames or ())]:
            hint = "; the test split has no answers" if missing == ["answer"] else ""
            raise ValueError(f"{path}: lacks the columns {', '.join(missing)}{hint}")
        rows = list(reader)
    indices: set[str] = set()
    for row in rows:
        if not (row["index"] or "").isdigit():
            raise ValueError(f"{path}: the index {row['index']!r} is no number")
        if row["index"] in indices:
            raise ValueError(f"{path}: has the index {row['index']} twice")
        indices.add(row["index"])
    return rows


def read_choice(
    row: Mapping[str, str], rows: Mapping[str, Mapping[str, str]], where: str
) -> Choice:
    options = tuple(text for letter in LETTERS if (text := row.get(letter) or ""))
    gold = (row["answer"] or "").strip()
    if not gold or gold not in LETTERS[: len(options)]:
        raise ValueError(f"{where}: the answer {gold!r} is none of its {len(options)} options")
    image = row["image"] or ""
    if len(image) <= LONGEST_REFERENCE:
        if image not in rows:
            raise ValueError(f"{where}: there is no row {image!r}, which should hold its picture")
        image = rows[image]["image"] or ""
    return Choice(row["question"], row.get("hint") or "", options, gold, image)


def complete(choices: Mapping[int, Choice], has_passes: bool, where: str) -> list[Choice]:
    """All rotations. Raises ValueError if a group of a file with passes lacks one."""
    needed = len(next(iter(choices.values())).options)
    if not has_passes:
        return [choices[0].rotated(by) for by in range(needed)]
    if list(choices) != list(range(needed)):
        raise ValueError(f"{where}: has {len(choices)} passes of {needed}")
    return list(choices.values())


def ask(unit: Unit, seed: int) -> list[Case]:
    """Raises ValueError for a picture that is not valid."""
    where = f"the picture of question {unit.id}"
    pictures = {image: decoded(image, where) for image in {one.image for one in unit.content}}
    return [ask_once(choice, pictures[choice.image]) for choice in unit.content]


def ask_once(choice: Choice, picture: Media) -> Case:
    letters = LETTERS[: len(choice.options)] if choice.compared else ""
    return question(choice.prompt, picture, choices=letters)


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    found = [letters_in(one) for one in answered]
    count = [letters.count("") for letters in found]
    if bench.reader:
        read_unclear(bench.reader, answered, found)
    return [
        score(one.unit, one.texts, letters, before - letters.count(""))
        for one, letters, before in zip(answered, found, count)
    ]


def letters_in(one: Answered) -> list[str]:
    """What the rules find in the answers to a question."""
    return [
        "" if text is None else find_option(text, choice.options)
        for text, choice in zip(one.texts, one.unit.content)
    ]


def read_unclear(reader: Reader, answered: Sequence[Answered], found: Sequence[list[str]]) -> None:
    """Put the letters that a language model reads where the rules found none."""
    places = [
        (letters, place, choice, text)
        for one, letters in zip(answered, found)
        for place, (choice, text) in enumerate(zip(one.unit.content, one.texts))
        if text and text.strip() and not letters[place]
    ]
    prompts = [reading_prompt(choice, text) for _, _, choice, text in places]
    accepts = [partial(letter_alone, count=len(choice.options)) for _, _, choice, _ in places]
    for (letters, place, _, _), letter in zip(places, reader.read(prompts, accepts)):
        letters[place] = letter


def reading_prompt(choice: Choice, text: str) -> str:
    listed = "".join(f"{letter}. {option}\n" for letter, option in zip(LETTERS, choice.options))
    return (
        "Someone answered a question with several options in their own words. Which option means "
        "the same as the answer? Reply with its letter alone, and with Z if none of them does or "
        f"if it is not clear.\nQuestion: {choice.text}\nOptions:\n{listed}Answer: {text.strip()}\n"
        "Letter:"
    )


def letter_alone(text: str, count: int) -> str:
    """The only letter of an option, or Z, among the words of a reply; empty for anything else."""
    words = text.translate(BLANKED).split()
    named = {letter for letter in (*LETTERS[:count], "Z") if letter in words}
    return named.pop() if len(named) == 1 else ""


def score(
    unit: Unit, texts: Sequence[str | None], letters: Sequence[str], by_reader: int
) -> Outcome:
    """`by_reader` counts the letters that a language model read."""
    choices: Sequence[Choice] = unit.content
    right = [letter == choice.gold for letter, choice in zip(letters, choices)]
    scores = {row: {"model": (int(all(right)), 1)} for row in unit.rows}
    if len(choices) > 1:
        scores["vanilla"] = {"model": (int(right[0]), 1)}
        scores["all passes"] = {"model": (sum(right), len(right))}
    return Outcome(
        scores,
        " / ".join(text or "" for text in texts),
        {"answers": " ".join(choice.gold for choice in choices)},
        {"answers": " ".join(letter or "-" for letter in letters)},
        numbers={
            "options": len(choices[0].options),
            "passes": len(choices),
            **({"read": by_reader} if by_reader else {}),
        },
        unparsed=sum(not letter for letter, text in zip(letters, texts) if text is not None),
    )


def find_option(text: str, options: Sequence[str]) -> str:
    """The letter of the option that an answer names; Z for a refusal, empty if none is clear."""
    if REFUSAL.search(text):
        return "Z"
    letters = LETTERS[: len(options)]
    words = text.translate(BLANKED).split()
    named = [letter for letter in letters if letter in words]
    if len(named) == 1 and words.index(named[0]) >= len(words) - LAST:
        return named[0]
    if not named and "Z" in words:
        return "Z"
    if (stated := ANSWER_IS.search(text)) and stated[1].upper() in letters:
        return stated[1].upper()
    return find_text(text.lower(), options)


def find_text(text: str, options: Sequence[str]) -> str:
    """The letter of the only option that a text contains, if it is not much longer than they."""
    if len(text) > 2 * sum(map(len, options)):
        return ""
    found = [letter for letter, option in zip(LETTERS, options) if option.lower() in text]
    return found[0] if len(found) == 1 else ""


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    """The whole, its parts, and in circular mode what is right in one order."""
    names = dict.fromkeys(name for line in lines for name in line["scores"])
    first = [name for name in ("overall", "vanilla", "all passes") if name in names]
    rest = sorted(name for name in names if name not in first)
    about = {
        "overall": "questions that are right in every order of their options",
        "vanilla": "questions that are right in their first order",
        "all passes": "answers that are right",
    }
    return {
        name: Metric(about.get(name, f"of these, {name}"), chance=chance(name, lines))
        for name in (*first, *rest)
    }


def chance(name: str, lines: Sequence[Line]) -> float:
    """What guessing has right, in percent."""
    one = name in ("vanilla", "all passes")
    own = [line["numbers"] for line in lines if name in line["scores"]]
    shares = [row["options"] ** -(1 if one else row["passes"]) for row in own]
    return round(100 * sum(shares) / len(shares), 1)

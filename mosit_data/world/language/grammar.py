"""Templates with alternatives: one line stands for many sentences.

In "[please |]draw [me |]{x}" each bracket stands for one of its alternatives, all with the same
chance, and brackets nest. {x} is filled with a value. Some templates of every bank are held out:
training never uses them, so that sentences of a new form can be measured.
"""

import hashlib
import random
import re
from functools import cache

from mosit_data.world.scene import Split

Bank = tuple[str, ...]
Choice = tuple["Phrase", ...]
Phrase = tuple["str | Choice", ...]

HELD_OUT = 0.15  # share of the templates of a bank
ARTICLE = re.compile(r"\b([Aa]) (?=[aei]|o(?!ne\b)|u(?!ni|se))")  # before a vowel that is heard
SMALLEST = 5  # templates; smaller banks are not divided


def say(rng: random.Random, bank: Bank, split: Split = "train", **values: str) -> str:
    """A sentence of the bank, from the templates of one split."""
    return expand(rng, rng.choice(phrasings(bank, split)), **values)


def expand(rng: random.Random, template: str, **values: str) -> str:
    """One of the sentences that a template stands for. Raises KeyError for a missing value."""
    text = "".join(choose(rng, parse(template)))
    text = text.format(**values) if "{" in text else text
    return ARTICLE.sub(r"\1n ", text.replace(" 'd ", "'d "))


def choose(rng: random.Random, phrase: Phrase) -> list[str]:
    words: list[str] = []
    for part in phrase:
        words += [part] if isinstance(part, str) else choose(rng, rng.choice(part))
    return words


@cache
def phrasings(bank: Bank, split: Split) -> Bank:
    """The templates of one split; all of them if the bank is too small to be divided."""
    if len(bank) < SMALLEST:
        return bank
    chosen = tuple(t for t in bank if is_held_out(t) == (split == "heldout"))
    return chosen or bank


def is_held_out(template: str) -> bool:
    digest = hashlib.sha256(template.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT


@cache
def parse(template: str) -> Phrase:
    """Raises ValueError for a bracket without its partner."""
    phrase, end = parse_until(template, 0, "")
    assert end == len(template)
    return phrase[0]


def parse_until(template: str, start: int, closing: str) -> tuple[Choice, int]:
    """The alternatives up to a closing bracket, and the position behind it."""
    alternatives: list[Phrase] = []
    parts: list[str | Choice] = []
    position = start
    while position < len(template):
        letter = template[position]
        position += 1
        if letter == "[":
            choice, position = parse_until(template, position, "]")
            parts.append(choice)
        elif closing and letter == "|":
            alternatives.append(tuple(parts))
            parts = []
        elif closing and letter == closing:
            return (*alternatives, tuple(parts)), position
        elif letter == "]":
            raise ValueError(f"a bracket is closed but not opened in {template!r}")
        else:
            parts.append(letter)
    if closing:
        raise ValueError(f"a bracket is opened but not closed in {template!r}")
    return (joined(parts),), position


def joined(parts: list["str | Choice"]) -> Phrase:
    """Letters in a row as one string."""
    merged: list[str | Choice] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return tuple(merged)


def entries(text: str) -> tuple[str, ...]:
    """The parts between semicolons."""
    return tuple(" ".join(entry.split()) for entry in text.split(";"))


def table(text: str) -> dict[str, tuple[str, ...]]:
    """Rows "near: unknown; unknown; ..." of which later lines are indented."""
    rows: list[str] = []
    for line in text.strip("\n").splitlines():
        if line.startswith("        ") and rows:
            rows[-1] += " " + line.strip()
        elif line.strip():
            rows.append(line.strip())
    return {near: entries(unknown) for near, _, unknown in (row.partition(": ") for row in rows)}

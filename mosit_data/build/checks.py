"""Check: what a dialogue has to be to be learned from. Each check is counted under its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from anygen.core.media import Role
from anygen.core.modality import MEDIA
from anygen.core.records import (
    MediaContent,
    Record,
    RecordMessage,
    TextContent,
    media_of_record,
)
from mosit_data.build.dialogues import RefusalError
from mosit_data.build.jobs import Job
from mosit_data.formats import schema

MIN_ROUNDS, MAX_ROUNDS = 1, 6
MAX_CAPTION = 30  # words
MAX_COPIED = 0.5  # share of 5-grams
POINTING = {"it", "this", "that", "them", "these", "those", "one", "another", "same"}
META = re.compile(
    r"\bas an ai\b|language model|\bcaption\b|bounding box|the provided|your message is empty",
    re.IGNORECASE,
)
ANNOUNCED = re.compile(r"\bhere (is|are)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Expected:
    """What a dialogue is checked against."""

    job: Job
    max_words: int = 120  # of a turn
    examples: tuple[str, ...] = ()  # answers that the writer was shown


def form(record: Record, expected: Expected) -> str | None:
    """Turns alternate and end with the assistant, none is empty, its media have captions."""
    try:
        schema.check(record)
    except ValueError as error:
        return str(error)
    return None


def mix(record: Record, expected: Expected) -> str | None:
    """The assistant makes media of each modality of the mix, and of no other."""
    found = {part.type for part in media_by(record, "assistant")}
    missing = [
        modality for modality in MEDIA if (modality in found) != (modality in expected.job.mix)
    ]
    if not missing:
        return None
    names = ", ".join(expected.job.mix) or "without media of the assistant"
    return f"the mix is {names}; not so: {', '.join(missing)}"


def rounds(record: Record, expected: Expected) -> str | None:
    count = len(record.messages) // 2
    return None if MIN_ROUNDS <= count <= MAX_ROUNDS else f"{count} rounds"


def text_length(record: Record, expected: Expected) -> str | None:
    longest = max((len(text_of(message).split()) for message in record.messages), default=0)
    return f"a turn has {longest} words" if longest > expected.max_words else None


def caption_words(record: Record, expected: Expected) -> str | None:
    """Captions name what is to be seen or heard, in not too many words."""
    for part in media_by(record, "assistant"):
        words = (part.caption or "").lower().split()
        if len(words) > MAX_CAPTION:
            return f"a caption has {len(words)} words"
        if set(words) <= POINTING:
            return f"the caption {part.caption!r} names nothing"
    return None


def meta_phrases(record: Record, expected: Expected) -> str | None:
    """Phrases of a writer that speaks of its instructions in the assistant's place."""
    answers = (text_of(m) for m in record.messages if m.role == "assistant")
    found = next(filter(None, map(META.search, answers)), None)
    return f"speaks of {found[0]!r}" if found else None


def announced(record: Record, expected: Expected) -> str | None:
    """A turn that announces a medium has one."""
    for number, message in enumerate(record.messages, start=1):
        has_medium = any(isinstance(part, MediaContent) for part in message.content)
        found = ANNOUNCED.search(text_of(message))
        if message.role == "assistant" and found and not has_medium:
            return f"turn {number} announces a medium and has none"
    return None


def copied(record: Record, expected: Expected) -> str | None:
    """At most half of the word 5-grams are those of an example."""
    own = grams(" ".join(map(text_of, record.messages)))
    for example in expected.examples:
        if own and len(own & grams(example)) > MAX_COPIED * len(own):
            return "its words are those of an example"
    return None


def grams(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return set(zip(*(words[start:] for start in range(5))))


CHECKS: Mapping[str, Callable[[Record, Expected], str | None]] = {
    check.__name__: check
    for check in (form, mix, rounds, text_length, caption_words, meta_phrases, announced, copied)
}


def check(record: Record, expected: Expected) -> None:
    """Raises RefusalError with the name of the first check that fails."""
    for name, problem_of in CHECKS.items():
        if problem := problem_of(record, expected):
            raise RefusalError(name, problem)


def media_by(record: Record, role: Role) -> Iterator[MediaContent]:
    """The media of one role's turns."""
    return (medium for owner, medium in media_of_record(record) if owner == role)


def text_of(message: RecordMessage) -> str:
    return " ".join(part.text for part in message.content if isinstance(part, TextContent))

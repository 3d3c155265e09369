"""Check: what a dialogue has to be to be learned from. Each check is counted under its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

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
MAX_WORDS = 120  # of a turn
MAX_CAPTION = 30  # words
POINTING = {"it", "this", "that", "them", "these", "those", "one", "another", "same"}
META = re.compile(
    r"\bas an ai\b|language model|\bcaption\b|bounding box|the provided|your message is empty",
    re.IGNORECASE,
)
ANNOUNCED = re.compile(r"\bhere (is|are)\b", re.IGNORECASE)


def form(record: Record, job: Job) -> str | None:
    """Turns alternate and end with the assistant, none is empty, its media have captions."""
    try:
        schema.check(record)
    except ValueError as error:
        return str(error)
    return None


def mix(record: Record, job: Job) -> str | None:
    """The assistant makes media of each modality of the mix, and of no other."""
    found = {part.type for part in media_by(record, "assistant")}
    missing = [modality for modality in MEDIA if (modality in found) != (modality in job.mix)]
    return f"the mix is {', '.join(job.mix)}; not so: {', '.join(missing)}" if missing else None


def rounds(record: Record, job: Job) -> str | None:
    count = len(record.messages) // 2
    return None if MIN_ROUNDS <= count <= MAX_ROUNDS else f"{count} rounds"


def text_length(record: Record, job: Job) -> str | None:
    longest = max((len(text_of(message).split()) for message in record.messages), default=0)
    return f"a turn has {longest} words" if longest > MAX_WORDS else None


def caption_words(record: Record, job: Job) -> str | None:
    """Captions name what is to be seen or heard, in not too many words."""
    for part in media_by(record, "assistant"):
        words = (part.caption or "").lower().split()
        if len(words) > MAX_CAPTION:
            return f"a caption has {len(words)} words"
        if set(words) <= POINTING:
            return f"the caption {part.caption!r} names nothing"
    return None


def meta_phrases(record: Record, job: Job) -> str | None:
    """Phrases of a writer that speaks of its instructions in the assistant's place."""
    answers = (text_of(m) for m in record.messages if m.role == "assistant")
    found = next(filter(None, map(META.search, answers)), None)
    return f"speaks of {found[0]!r}" if found else None


def announced(record: Record, job: Job) -> str | None:
    """A turn that announces a medium has one."""
    for number, message in enumerate(record.messages, start=1):
        has_medium = any(isinstance(part, MediaContent) for part in message.content)
        found = ANNOUNCED.search(text_of(message))
        if message.role == "assistant" and found and not has_medium:
            return f"turn {number} announces a medium and has none"
    return None


CHECKS: Mapping[str, Callable[[Record, Job], str | None]] = {
    check.__name__: check
    for check in (form, mix, rounds, text_length, caption_words, meta_phrases, announced)
}


def check(record: Record, job: Job) -> None:
    """Raises RefusalError with the name of the first check that fails."""
    for name, problem_of in CHECKS.items():
        if problem := problem_of(record, job):
            raise RefusalError(name, problem)


def media_by(record: Record, role: Role) -> Iterator[MediaContent]:
    """The media of one role's turns."""
    return (medium for owner, medium in media_of_record(record) if owner == role)


def text_of(message: RecordMessage) -> str:
    return " ".join(part.text for part in message.content if isinstance(part, TextContent))

"""Parse and ground: the raw text of a writer becomes a record, or is refused with a reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from anygen.core.modality import MEDIA, MediaModality
from anygen.core.records import Content, MadeBy, MediaContent, Record, RecordMessage, TextContent
from anygen.core.schema import Strict, explain
from anygen.core.text import from_json
from mosit_data.build.jobs import Job

# The medium of a caption in a job's dialogue. Raises RefusalError if there is none.
Find = Callable[[Job, MediaModality, str], MediaContent]
FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)


class RefusalError(ValueError):
    """Why a dialogue is left out: the name of a reason, which is counted, and a sentence."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class RawPart(Strict):
    """A text, or the caption of a medium."""

    text: str | None = None
    image: str | None = None
    audio: str | None = None
    video: str | None = None

    @model_validator(mode="after")
    def _check_single(self) -> RawPart:
        if len(self.model_fields_set) != 1 or None in self.model_dump(exclude_unset=True).values():
            raise ValueError("a part is one text, image, audio or video")
        return self

    @property
    def medium(self) -> tuple[MediaModality, str] | None:
        return next(((m, value) for m in MEDIA if (value := getattr(self, m)) is not None), None)


class RawTurn(Strict):
    role: Literal["user", "assistant"]
    parts: Annotated[list[RawPart], Field(min_length=1)]


class RawDialogue(Strict):
    turns: list[RawTurn]


def parse_json(text: str) -> RawDialogue:
    """Raises RefusalError unless the text, or what a fence in it holds, is a dialogue in JSON."""
    fenced = FENCE.search(text)
    try:
        return RawDialogue.model_validate(from_json(fenced[1] if fenced else text))
    except ValueError as error:
        raise RefusalError("parse", explain(error).splitlines()[0]) from None


def exchange(question: str, answer: str) -> RawDialogue:
    """A question and its answer. Raises RefusalError if one is empty."""
    if not question.strip() or not answer.strip():
        raise RefusalError("parse", "the writer's answer is empty")
    texts = {"user": question.strip(), "assistant": answer.strip()}
    turns = [{"role": role, "parts": [{"text": text}]} for role, text in texts.items()]
    return RawDialogue.model_validate({"turns": turns})


def ground(raw: RawDialogue, job: Job, find: Find, made_by: MadeBy) -> Record:
    """The record of a dialogue, with media in the place of their captions.

    Raises RefusalError for a caption without a medium.
    """

    def content(part: RawPart, role: str) -> Content:
        if part.medium is None:
            return TextContent(text=part.text or "")
        modality, caption = part.medium
        learned = caption if role == "assistant" else None
        return find(job, modality, caption).model_copy(update={"caption": learned})

    messages = [
        RecordMessage(role=turn.role, content=merged([content(p, turn.role) for p in turn.parts]))
        for turn in raw.turns
    ]
    if job.character is not None:
        system = TextContent(text=job.character.system)
        messages.insert(0, RecordMessage(role="system", content=[system]))
    return Record(id=job.id, messages=messages, source=job.source, made_by=made_by)


def merged(content: list[Content]) -> list[Content]:
    """Texts side by side become one."""
    result: list[Content] = []
    for part in content:
        last = result[-1] if result else None
        if isinstance(part, TextContent) and isinstance(last, TextContent):
            result[-1] = TextContent(text=last.text + part.text)
        else:
            result.append(part)
    return result

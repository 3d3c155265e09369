"""Rows of a batch: a prompt or a dialogue with its seed and options, turned into a request."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from anygen.batch.options import is_option, merged_options
from anygen.batch.parts import plain_content, read_location
from anygen.core.media import Media, Message, Part, modality_of
from anygen.core.modality import MEDIA, MediaModality, Modality, parse_modalities
from anygen.core.records import Content, MediaContent, Record, RecordMessage, TextContent
from anygen.core.schema import did_you_mean, explain
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request, derive_seed
from anygen.io.media_files import printable

# What a row may say; `image` and the like are paths of media that are shown before the prompt.
KEYS = ("id", "prompt", "messages", "seed", "modality", "modalities", "options", *MEDIA)

# location, modality and field -> the medium there
ReadMedium = Callable[[str, MediaModality, str], Media]


class RowRecord(Record):
    """A record that is to be answered."""

    modality: tuple[Modality, ...] = ()  # the answer is one of each; none: whatever comes


@dataclass(frozen=True)
class BatchRow:
    """One row of the input. Only its id has been checked."""

    id: str
    data: dict[str, Any] = field(default_factory=dict)
    error: str = ""  # if the row cannot be read, or its id is none
    has_own_id: bool = False  # if not, the row is named after its place

    @classmethod
    def of(cls, data: dict[str, Any], name: str) -> BatchRow:
        """The row of an object; `name` is its id if it has none of its own."""
        row_id = data.get("id", name)
        if type(row_id) is int:  # true and false are int, too
            row_id = str(row_id)
        if not isinstance(row_id, str) or not row_id:
            return cls(name, error="id: give a text that is not empty, or a whole number")
        return cls(row_id, {**data, "id": row_id}, has_own_id="id" in data)

    def renamed(self, row_id: str) -> BatchRow:
        return replace(self, id=row_id, data={**self.data, "id": row_id} if self.data else {})

    def with_modality(self, modality: Sequence[Modality]) -> BatchRow:
        """The row, whose answer is of this modality unless it says otherwise itself."""
        if not modality or not self.data or {"modality", "modalities"} & self.data.keys():
            return self
        return replace(self, data={**self.data, "modality": ",".join(modality)})


def prompt_row(
    prompt: str, seed: int, options: AnswerOptions, modality: Sequence[Modality] = ()
) -> BatchRow:
    """A single prompt; its id depends on all that decides the answer: only repeats are skipped."""
    words = "-".join(re.findall(r"[a-z0-9]+", prompt.lower())[:6])
    key = derive_seed(prompt, seed, options.model_dump_json(), *modality)
    row_id = f"{words[:40]}-{key:012x}".lstrip("-")
    return BatchRow(row_id, {"id": row_id, "prompt": prompt})


def media_reader(folders: Sequence[Path], hosts: Collection[str] = ()) -> ReadMedium:
    """Reads paths in the folders, and URLs; `hosts` are those that are downloaded from.

    Paths are relative to the first of the folders, and lead into one of them.
    """
    return partial(read_location, folders=folders, hosts=hosts)


def open_row(row: BatchRow, read: ReadMedium, seed: int, options: AnswerOptions) -> Request:
    """Checks a row and reads its media. Raises ValueError.

    `seed` is that of the batch; `options` hold unless the row sets others.
    """
    record = parse_record(row)
    messages: list[Message] = []
    media: list[Media] = []
    for index, message in enumerate(record.messages):
        name = content_field(row, index)
        messages.append(Message(message.role, read_parts(message, read, media, name)))
        if message.role == "user" and messages[-1].is_empty:
            raise ValueError(f"{name}: is empty; write a text or add a medium")
    if not messages or messages[-1].role != "user":
        raise ValueError("messages: the last one must have the role user: it is the one to answer")
    return Request(tuple(messages), row_seed(row, record, seed), row_options(record, options))


def parse_record(row: BatchRow) -> RowRecord:
    """The record in a row. Raises ValueError, with the fields as the user has written them."""
    if row.error:
        raise ValueError(row.error)
    data = with_media(check_keys(row.data))
    if "prompt" in data:
        data["prompt"] = plain_content(data["prompt"], "prompt")
    elif isinstance(data.get("messages"), list):
        data["messages"] = [
            {**message, "content": plain_content(message["content"], content_field(row, index))}
            if isinstance(message, dict) and "content" in message
            else message
            for index, message in enumerate(data["messages"])
        ]
    for name in ("modality", "modalities"):
        if isinstance(data.get(name), str):
            data[name] = parse_modalities(data[name])
    try:
        return RowRecord.model_validate(data)
    except ValidationError as error:
        written = content_field(row, 0)
        raise ValueError(explain(error, RowRecord).replace("messages.0.content", written)) from None


def check_keys(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises ValueError for a key that no row has, and for two that contradict each other."""
    for name in data:
        if name in KEYS or name in Record.model_fields:
            continue
        if is_option(name):
            raise ValueError(f"{name}: is an option; write it under options")
        raise ValueError(
            f"{printable(name)}: no such key{did_you_mean(name, KEYS).rstrip('?')}; a row has "
            f"{', '.join(KEYS)}"
        )
    for one, other in (("prompt", "messages"), ("modality", "modalities")):
        if one in data and other in data:
            raise ValueError(f"{one}: give either this or {other}")
    if not {"prompt", "messages"} & data.keys():
        raise ValueError("prompt: is missing; a row has a prompt or messages")
    return data


def with_media(data: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its `image`, `audio` and `video` as parts of the prompt. Raises ValueError."""
    shown = [{"type": name, "path": data[name]} for name in MEDIA if name in data]
    rest = {name: value for name, value in data.items() if name not in MEDIA}
    if not shown:
        return rest
    prompt = rest.get("prompt")
    if not isinstance(prompt, str):
        raise ValueError(
            f"{shown[0]['type']}: is shown before a prompt that is a text; a list of parts and "
            "messages name their media themselves"
        )
    return {**rest, "prompt": [*shown, {"type": "text", "text": prompt}]}


def content_field(row: BatchRow, index: int) -> str:
    """What the user calls the content of a message."""
    return "prompt" if "prompt" in row.data else f"messages.{index}.content"


def read_parts(
    message: RecordMessage, read: ReadMedium, media: list[Media], name: str
) -> tuple[Part, ...]:
    """The parts of a message, which `name` stands for in errors. Raises ValueError."""
    return tuple(
        read_part(content, read, media, f"{name}.{index}")
        for index, content in enumerate(message.content)
    )


def read_part(content: Content, read: ReadMedium, media: list[Media], name: str) -> Part:
    """Text, or a medium, which is added to `media`, the list of all that come before it."""
    if isinstance(content, TextContent):
        return content.text
    media.append(read_medium(content, read, media, name))
    return media[-1]


def read_medium(
    content: MediaContent, read: ReadMedium, earlier: Sequence[Media], name: str
) -> Media:
    if content.ref is not None:
        if content.ref > len(earlier) or modality_of(earlier[content.ref - 1]) != content.type:
            raise ValueError(f"{name}.ref: medium {content.ref} is not an earlier {content.type}")
        return earlier[content.ref - 1]
    if content.is_caption_only:
        raise ValueError(f"{name}: is a caption only, for training; give the medium a path")
    if content.path is None:
        raise ValueError(f"{name}.scene: is for training only; give the medium a path")
    return read(content.path, content.type, name)


def row_seed(row: BatchRow, record: Record, seed: int) -> int:
    return derive_seed(seed, row.id) if record.seed is None else record.seed


def row_options(record: RowRecord, defaults: AnswerOptions) -> AnswerOptions:
    """The row's own options over the defaults; a `ref` in the last message asks for an edit.

    Raises ValueError.
    """
    options = dict(record.options)
    if record.modalities is not None:
        options["modalities"] = record.modalities
    last = record.messages[-1].content if record.messages else []
    edits = [part for part in last if isinstance(part, MediaContent) and part.ref is not None]
    if edits:
        options["edit"] = edits[-1].model_dump(include={"ref", "strength"}, exclude_none=True)
    return merged_options(defaults, options, record.modality)

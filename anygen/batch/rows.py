"""The input of a batch: one JSON object per line, checked row by row and turned into requests."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anygen.core.media import Media, Message, Part, modality_of
from anygen.core.records import Content, MediaContent, Record, RecordMessage, TextContent
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request, derive_seed
from anygen.io.media_files import printable, read_media


@dataclass(frozen=True)
class BatchRow:
    """One line of the input. Only its id has been checked."""

    id: str
    data: object = None  # the JSON value
    error: str = ""  # if the line is not a JSON object


def read_rows(path: Path) -> list[BatchRow]:
    """The lines of a JSONL file. Raises ValueError unless every id is present and unique.

    A line that is not a JSON object gets an id such as `line-7`, so that it fails alone.
    """
    lines = enumerate(path.read_bytes().split(b"\n"), start=1)
    rows = {number: parse_row(line, number) for number, line in lines if line.strip()}
    counts = Counter(row.id for row in rows.values())
    problems = [
        f"line {number}: the id {row.id!r} is not unique" if row.id else f"line {number}: no id"
        for number, row in rows.items()
        if not row.id or counts[row.id] > 1
    ]
    if problems:
        raise ValueError(
            f'{printable(path)}: every line needs its own "id", a text that is not empty; '
            + "; ".join(problems[:10])
        )
    return list(rows.values())


def parse_row(line: bytes, number: int) -> BatchRow:
    try:
        data = json.loads(line)
    except ValueError as error:
        return BatchRow(f"line-{number}", error=f"line {number} is not JSON: {error}")
    if not isinstance(data, dict):
        return BatchRow(f"line-{number}", error=f"line {number} is not a JSON object")
    row_id = data.get("id")
    return BatchRow(row_id if isinstance(row_id, str) else "", data)


def prompt_row(prompt: str, seed: int, options: AnswerOptions) -> BatchRow:
    """A single prompt; its id depends on all that decides the answer: only repeats are skipped."""
    words = "-".join(re.findall(r"[a-z0-9]+", prompt.lower())[:6])
    key = derive_seed(prompt, seed, options.model_dump_json())
    row_id = f"{words[:40]}-{key:012x}".lstrip("-")
    return BatchRow(row_id, {"id": row_id, "prompt": prompt})


def open_row(row: BatchRow, folder: Path, seed: int, options: AnswerOptions) -> Request:
    """Checks a row and reads its media; paths are relative to `folder`. Raises ValueError.

    `seed` is that of the batch; `options` hold unless the row sets others.
    """
    if row.error:
        raise ValueError(row.error)
    record = Record.model_validate(row.data)
    media: list[Media] = []
    messages = tuple(
        Message(message.role, read_parts(message, folder, media)) for message in record.messages
    )
    if not messages or messages[-1].role != "user":
        raise ValueError("the last message must have the role user: it is the one to answer")
    row_seed = derive_seed(seed, row.id) if record.seed is None else record.seed
    return Request(messages, row_seed, row_options(record, options))


def read_parts(message: RecordMessage, folder: Path, media: list[Media]) -> tuple[Part, ...]:
    return tuple(read_part(content, folder, media) for content in message.content)


def read_part(content: Content, folder: Path, media: list[Media]) -> Part:
    """Text, or a medium, which is added to `media`, the list of all that come before it."""
    if isinstance(content, TextContent):
        return content.text
    media.append(read_medium(content, folder, media))
    return media[-1]


def read_medium(content: MediaContent, folder: Path, earlier: Sequence[Media]) -> Media:
    if content.ref is not None:
        if content.ref > len(earlier) or modality_of(earlier[content.ref - 1]) != content.type:
            raise ValueError(f"ref: medium {content.ref} is not an earlier {content.type}")
        return earlier[content.ref - 1]
    if content.path is None:
        raise ValueError("a 'scene' is for training only; give the medium a 'path'")
    return read_media(folder / content.path)


def row_options(record: Record, defaults: AnswerOptions) -> AnswerOptions:
    """The row's own options over the defaults; a `ref` in the last message asks for an edit."""
    options = {**defaults.model_dump(exclude_unset=True), **record.options}
    if record.modalities is not None:
        options["modalities"] = record.modalities
    last = record.messages[-1].content
    edits = [part for part in last if isinstance(part, MediaContent) and part.ref is not None]
    if edits:
        options["edit"] = edits[-1].model_dump(include={"ref", "strength"}, exclude_none=True)
    return AnswerOptions.model_validate(options)

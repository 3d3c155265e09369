"""The input of a batch: one JSON object per line, checked row by row and turned into requests."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from anygen.batch.parts import plain_content, read_location
from anygen.core.media import Media, Message, Part, modality_of
from anygen.core.records import Content, MediaContent, Record, RecordMessage, TextContent
from anygen.core.schema import explain
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request, derive_seed
from anygen.io.media_files import printable
from anygen.io.paths import user_path

SUFFIX = ".jsonl"
# No prompt is a single word that ends so, but the name of a file may be.
OTHER_SUFFIXES = (".txt", ".json", ".ndjson", ".csv", ".tsv", ".md", ".yaml", ".yml", ".parquet")
# UTF-32 first: its little-endian mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


@dataclass(frozen=True)
class BatchRow:
    """One line of the input. Only its id has been checked."""

    id: str
    data: dict[str, Any] = field(default_factory=dict)  # the JSON object
    error: str = ""  # if the line is not a JSON object with an id of its own


def source_of(text: str) -> Path | str:
    """The file of prompts that a text names, or the text itself, a prompt.

    Raises ValueError for another file than .jsonl, and for a prompt of white space.
    """
    if not text.strip():
        raise ValueError("the prompt is empty; write a text")
    path = user_path(text)
    suffix = path.suffix.lower()
    if suffix == SUFFIX:
        return path
    if is_file(path) or (suffix in OTHER_SUFFIXES and not re.search(r"\s", text)):
        raise ValueError(
            f"{printable(text)}: a file of prompts has one JSON object per line, and its name ends "
            f"in {SUFFIX}"
        )
    return text


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a long text is no name
        return False


def read_rows(path: Path) -> list[BatchRow]:
    """The lines of a JSONL file, each under an id of its own.

    A line without an id is named after its number, such as `line-7`. So is one that fails alone:
    it is not a JSON object, its id is neither a text nor a whole number, or an earlier line has it.
    """
    rows: list[BatchRow] = []
    owners: dict[str, int] = {}  # the lines of the ids
    for number, line in enumerate(split_lines(path), start=1):
        if not line.strip():
            continue
        row = parse_row(line, number)
        if row.id in owners:
            error = f"id: {row.id!r} is that of line {owners[row.id]}; give each line its own"
            row = BatchRow(unused_id(number, owners), error=error)
        owners[row.id] = number
        rows.append(row)
    return rows


def unused_id(number: int, used: Collection[str]) -> str:
    row_id = f"line-{number}"
    while row_id in used:  # a row may have called itself so
        row_id += "-again"
    return row_id


def split_lines(path: Path) -> list[bytes]:
    """The lines of a file in UTF-8, or in the encoding that its first bytes mark.

    Raises ValueError for a file that is not what its mark says, and for UTF-16 without a mark.
    """
    data = path.read_bytes()
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "")
    if encoding:
        try:
            data = data.decode(encoding).encode()
        except UnicodeDecodeError:
            raise ValueError(
                f"{printable(path)}: begins as {encoding.upper()} and is not; save it as UTF-8"
            ) from None
    elif b"\0" in data[:2]:
        raise ValueError(f"{printable(path)}: is not UTF-8; save it as UTF-8")
    return data.split(b"\n")


def parse_row(line: bytes, number: int) -> BatchRow:
    name = f"line-{number}"
    try:
        data = json.loads(line.decode())
    except UnicodeDecodeError:
        return BatchRow(name, error=f"line {number} is not UTF-8; save the file as UTF-8")
    except ValueError as error:
        return BatchRow(name, error=f"line {number} is not JSON: {error}")
    except RecursionError:
        return BatchRow(name, error=f"line {number} is nested too deeply")
    if not isinstance(data, dict):
        return BatchRow(name, error=f"line {number} is not a JSON object")
    row_id = data.get("id", name)
    if type(row_id) is int:  # true and false are int, too
        row_id = str(row_id)
    if not isinstance(row_id, str) or not row_id:
        return BatchRow(name, error="id: give a text that is not empty, or a whole number")
    return BatchRow(row_id, {**data, "id": row_id})


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
    record = parse_record(row)
    messages: list[Message] = []
    media: list[Media] = []
    for index, message in enumerate(record.messages):
        name = content_field(row, index)
        messages.append(Message(message.role, read_parts(message, folder, media, name)))
        if message.role == "user" and messages[-1].is_empty:
            raise ValueError(f"{name}: is empty; write a text or add a medium")
    if not messages or messages[-1].role != "user":
        raise ValueError("messages: the last one must have the role user: it is the one to answer")
    return Request(tuple(messages), row_seed(row, record, seed), row_options(record, options))


def parse_record(row: BatchRow) -> Record:
    """The record in a row. Raises ValueError, with the fields as the user has written them."""
    if row.error:
        raise ValueError(row.error)
    if "prompt" in row.data and "messages" in row.data:
        raise ValueError("prompt: give either this or messages")
    data = dict(row.data)
    if "prompt" in data:
        data["prompt"] = plain_content(data["prompt"], "prompt")
    elif isinstance(data.get("messages"), list):
        data["messages"] = [
            {**message, "content": plain_content(message["content"], content_field(row, index))}
            if isinstance(message, dict) and "content" in message
            else message
            for index, message in enumerate(data["messages"])
        ]
    try:
        return Record.model_validate(data)
    except ValidationError as error:
        written = content_field(row, 0)
        raise ValueError(explain(error).replace("messages.0.content", written)) from None


def content_field(row: BatchRow, index: int) -> str:
    """What the user calls the content of a message."""
    return "prompt" if "prompt" in row.data else f"messages.{index}.content"


def read_parts(
    message: RecordMessage, folder: Path, media: list[Media], name: str
) -> tuple[Part, ...]:
    """The parts of a message, which `name` stands for in errors. Raises ValueError."""
    return tuple(
        read_part(content, folder, media, f"{name}.{index}")
        for index, content in enumerate(message.content)
    )


def read_part(content: Content, folder: Path, media: list[Media], name: str) -> Part:
    """Text, or a medium, which is added to `media`, the list of all that come before it."""
    if isinstance(content, TextContent):
        return content.text
    media.append(read_medium(content, folder, media, name))
    return media[-1]


def read_medium(content: MediaContent, folder: Path, earlier: Sequence[Media], name: str) -> Media:
    if content.ref is not None:
        if content.ref > len(earlier) or modality_of(earlier[content.ref - 1]) != content.type:
            raise ValueError(f"{name}.ref: medium {content.ref} is not an earlier {content.type}")
        return earlier[content.ref - 1]
    if content.is_caption_only:
        raise ValueError(f"{name}: is a caption only, for training; give the medium a path")
    if content.path is None:
        raise ValueError(f"{name}.scene: is for training only; give the medium a path")
    return read_location(content.path, folder, content.type, name)


def row_seed(row: BatchRow, record: Record, seed: int) -> int:
    return derive_seed(seed, row.id) if record.seed is None else record.seed


def row_options(record: Record, defaults: AnswerOptions) -> AnswerOptions:
    """The row's own options over the defaults; a `ref` in the last message asks for an edit.

    Raises ValueError.
    """
    options = {**defaults.model_dump(exclude_unset=True), **record.options}
    if record.modalities is not None:
        options["modalities"] = record.modalities
    last = record.messages[-1].content
    edits = [part for part in last if isinstance(part, MediaContent) and part.ref is not None]
    if edits:
        options["edit"] = edits[-1].model_dump(include={"ref", "strength"}, exclude_none=True)
    try:
        return AnswerOptions.model_validate(options)
    except ValidationError as error:
        problems = [option_problem(line, record) for line in explain(error).splitlines()]
        raise ValueError("\n".join(problems)) from None


def option_problem(problem: str, record: Record) -> str:
    """A problem of options, which may come from the row or from the command line."""
    name = re.split(r"[.:]", problem, maxsplit=1)[0]
    return f"options.{problem}" if name in record.options else problem

"""Batch generation: a file of prompts in, a folder of media and records out, restartable.

A row's result depends on its own seed only, so batch size, order and restarts change nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from anygen.checkpoints.model_id import ModelId
from anygen.conversation.history import Turn
from anygen.conversation.provenance import tell_origin
from anygen.core.media import Media, Message, Part, modality_of
from anygen.core.modality import TABLE
from anygen.core.records import Content, MediaContent, Record, RecordMessage, TextContent
from anygen.core.schema import explain
from anygen.generation.answer import Answer
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request, derive_seed
from anygen.io.atomic import replacing
from anygen.io.media_files import printable, read_media, write_media

RECORDS = "records.jsonl"


class Model(Protocol):
    """What batch generation needs of `anygen.AnyGen`."""

    @property
    def model_id(self) -> ModelId: ...

    def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer per request. Raises ValueError where one cannot be answered."""


@dataclass(frozen=True)
class Settings:
    """What holds for every row."""

    out: Path  # the folder of records.jsonl and the media
    seed: int = 0
    options: AnswerOptions = AnswerOptions()  # of rows that say nothing else
    batch_size: int = 1
    metadata: bool = True  # whether files tell how they were made


@dataclass(frozen=True)
class Row:
    """One line of the input, not yet checked but for its id."""

    id: str
    data: Any = None
    error: str = ""  # where the line is no JSON object


def generate_file(
    load_model: Callable[[], Model], source: Path | str, settings: Settings
) -> Iterator[dict[str, Any]]:
    """Yields each new record once it is on the disk; `source` is a JSONL file or one prompt.

    Ids that are done are skipped, errors are tried again. The model is loaded only when the ids
    are sound and something is left to do. Raises ValueError.
    """
    rows = read_rows(source) if isinstance(source, Path) else [prompt_row(source, settings)]
    folder = source.parent if isinstance(source, Path) else Path()
    settings.out.mkdir(parents=True, exist_ok=True)
    finished = keep_finished(settings.out / RECORDS, {row.id for row in rows})
    rows = [row for row in rows if row.id not in finished]
    if not rows:
        return
    model = load_model()
    for start in range(0, len(rows), settings.batch_size):
        batch = rows[start : start + settings.batch_size]
        for record in run_batch(model, batch, folder, settings):
            append_record(record, settings.out / RECORDS)
            yield record


# --- the input


def read_rows(path: Path) -> list[Row]:
    """The lines of a JSONL file. Raises ValueError for ids that are missing or not unique.

    A line that is no JSON object has no id to miss: it is called `line-7` and fails alone.
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
            f'{printable(path)}: every line needs an "id" of its own, a text that is not empty; '
            + "; ".join(problems[:10])
        )
    return list(rows.values())


def parse_row(line: bytes, number: int) -> Row:
    try:
        data = json.loads(line)
    except ValueError as error:
        return Row(f"line-{number}", error=f"line {number} is no JSON: {error}")
    if not isinstance(data, dict):
        return Row(f"line-{number}", error=f"line {number} is no JSON object")
    row_id = data.get("id")
    return Row(row_id if isinstance(row_id, str) else "", data)


def prompt_row(prompt: str, settings: Settings) -> Row:
    """A lone prompt; its id holds all that decides the answer, so that only a repeat is skipped."""
    words = "-".join(re.findall(r"[a-z0-9]+", prompt.lower())[:6])
    key = derive_seed(prompt, settings.seed, settings.options.model_dump_json())
    row_id = f"{words[:40]}-{key:012x}".lstrip("-")
    return Row(row_id, {"id": row_id, "prompt": prompt})


def open_row(row: Row, folder: Path, settings: Settings) -> Request:
    """Checks the row and reads its media, relative to `folder`. Raises ValueError."""
    if row.error:
        raise ValueError(row.error)
    record = Record.model_validate(row.data)
    media: list[Media] = []
    messages = tuple(
        Message(turn.role, read_parts(turn, folder, media)) for turn in record.messages
    )
    if not messages or messages[-1].role != "user":
        raise ValueError("the last message must be the user's: it is what is answered")
    seed = derive_seed(settings.seed, row.id) if record.seed is None else record.seed
    return Request(messages, seed, options_of(record, settings.options))


def read_parts(turn: RecordMessage, folder: Path, media: list[Media]) -> tuple[Part, ...]:
    return tuple(read_part(content, folder, media) for content in turn.content)


def read_part(content: Content, folder: Path, media: list[Media]) -> Part:
    """A part of a message; `media` are all that stand before it, and it joins them."""
    if isinstance(content, TextContent):
        return content.text
    media.append(read_medium(content, folder, media))
    return media[-1]


def read_medium(content: MediaContent, folder: Path, media: Sequence[Media]) -> Media:
    if content.ref is not None:
        if content.ref > len(media) or modality_of(media[content.ref - 1]) != content.type:
            raise ValueError(f"ref: medium {content.ref} is no {content.type} that came before")
        return media[content.ref - 1]
    if content.path is None:
        raise ValueError("a 'scene' is for training; here a medium needs a 'path'")
    return read_media(folder / content.path)


def options_of(record: Record, given: AnswerOptions) -> AnswerOptions:
    """The options of a row over those of all; a medium that is named again is to be changed."""
    said = {**given.model_dump(exclude_unset=True), **record.options}
    if record.modalities is not None:
        said["modalities"] = record.modalities
    last = record.messages[-1].content
    edits = [part for part in last if isinstance(part, MediaContent) and part.ref is not None]
    if edits:
        said["edit"] = edits[-1].model_dump(include={"ref", "strength"}, exclude_none=True)
    return AnswerOptions.model_validate(said)


# --- the answers


def run_batch(
    model: Model, rows: Sequence[Row], folder: Path, settings: Settings
) -> Iterator[dict[str, Any]]:
    """One record per row, in their order; the media are written first."""
    requests: dict[str, Request] = {}
    outcomes: dict[str, Answer | ValueError] = {}
    for row in rows:
        try:
            requests[row.id] = open_row(row, folder, settings)
        except ValueError as error:
            outcomes[row.id] = error
    outcomes |= zip(requests, answer_requests(model, list(requests.values())), strict=True)
    for row in rows:
        outcome = outcomes[row.id]
        if isinstance(outcome, ValueError):
            asked = row.id in requests
            seed = requests[row.id].seed if asked else derive_seed(settings.seed, row.id)
            yield error_record(row.id, seed, outcome)
        else:
            exchange = Turn(requests[row.id], outcome.message, outcome.finish, outcome.made)
            author = model.model_id if settings.metadata else None
            record = answer_record(row.id, exchange, settings.out, author)
            yield record | shortcomings(outcome)


def shortcomings(answer: Answer) -> dict[str, str]:
    """What a record says more of an answer that was cut short, or lacks media; the rest stands."""
    finish = {} if answer.finish == "stop" else {"finish": str(answer.finish)}
    failed = {"status": "error", "error": "; ".join(answer.failed)} if answer.failed else {}
    return finish | failed


def answer_requests(model: Model, requests: Sequence[Request]) -> Sequence[Answer | ValueError]:
    """A batch that fails is asked again row by row, so that only the row at fault fails."""
    try:
        return model.reply_many(requests)
    except ValueError as error:
        if len(requests) == 1:
            return [error]
        return [answer for request in requests for answer in answer_requests(model, [request])]


# --- the output


def error_record(row_id: str, seed: int, error: ValueError) -> dict[str, Any]:
    sentence = explain(error).replace("\n", "; ")
    return {"id": row_id, "status": "error", "seed": seed, "content": [], "error": sentence}


def answer_record(row_id: str, exchange: Turn, out: Path, maker: ModelId | None) -> dict[str, Any]:
    """The record of an answer; its media are written, and with a maker they tell of it."""
    content: list[dict[str, str]] = []
    given, made = exchange.request.messages[:-1], iter(exchange.made)
    for number, part in enumerate(exchange.answer.parts, start=1):
        if isinstance(part, str):
            content.append({"type": "text", "text": part})
            continue
        modality = modality_of(part)
        name = f"{file_stem(row_id)}_{number:03d}_{modality}{TABLE[modality].suffix}"
        origin = tell_origin(maker, given, [exchange], next(made).part) if maker else None
        write_media(part, out / name, origin)
        content.append({"type": modality, "path": name})
    return {"id": row_id, "status": "ok", "seed": exchange.request.seed, "content": content}


def file_stem(row_id: str) -> str:
    """An id that is safe as a file name; a changed one wears a hash, so that no two are equal."""
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", row_id)[:80]
    return stem if stem == row_id else f"{stem}-{derive_seed(row_id):012x}"


def append_record(record: dict[str, Any], path: Path) -> None:
    """A whole line in one write, on the disk when this returns."""
    line = (json.dumps(record, ensure_ascii=False) + "\n").encode(errors="backslashreplace")
    with path.open("ab", buffering=0) as stream:
        stream.write(line)
        os.fsync(stream.fileno())


def keep_finished(path: Path, ids: set[str]) -> set[str]:
    """The ids that are done. Errors of `ids`, to be tried again, and a half line are taken out."""
    if not path.exists():
        return set()
    data = path.read_bytes()
    lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)  # a crash may halve the last
    records = [parse_record(line, number, path) for number, line in enumerate(lines, start=1)]
    kept = [
        line
        for line, (row_id, status) in zip(lines, records, strict=True)
        if status == "ok" or row_id not in ids
    ]
    if b"".join(kept) != data:
        with replacing(path) as temporary:
            temporary.write_bytes(b"".join(kept))
    return {row_id for row_id, status in records if status == "ok"}


def parse_record(line: bytes, number: int, path: Path) -> tuple[str, str]:
    try:
        record = json.loads(line)
        return record["id"], record["status"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{printable(path)}: line {number} was not written by anygen; name another --out"
        ) from None

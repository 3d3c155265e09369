"""The output of a batch: records.jsonl, one line for each answered row, and its media beside it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Set
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from anygen.checkpoints.model_id import ModelId
from anygen.conversation.history import Turn
from anygen.conversation.provenance import provenance_json
from anygen.core.media import modality_of
from anygen.core.modality import TABLE
from anygen.core.schema import explain
from anygen.generation.request import derive_seed
from anygen.io.atomic import replacing
from anygen.io.media_files import printable, write_media

RECORDS = "records.jsonl"


class BatchRecord(TypedDict):
    """One line of records.jsonl."""

    id: str
    status: Literal["ok", "error"]
    seed: int
    content: list[dict[str, str]]  # {"type": "text", "text": ...} or {"type": "image", "path": ...}
    finish: NotRequired[str]  # why the answer was cut short
    error: NotRequired[str]


def error_record(row_id: str, seed: int, error: ValueError) -> BatchRecord:
    sentence = explain(error).replace("\n", "; ")
    return {"id": row_id, "status": "error", "seed": seed, "content": [], "error": sentence}


def answer_record(row_id: str, turn: Turn, out: Path, model_id: ModelId | None) -> BatchRecord:
    """Writes the media of an answer, with their provenance if a model is given. Raises OSError."""
    content: list[dict[str, str]] = []
    preamble, media_info = turn.request.messages[:-1], iter(turn.media_info)
    for number, part in enumerate(turn.answer.parts, start=1):
        if isinstance(part, str):
            content.append({"type": "text", "text": part})
            continue
        modality = modality_of(part)
        name = f"{file_stem(row_id)}_{number:03d}_{modality}{TABLE[modality].suffix}"
        index = next(media_info).part
        provenance = provenance_json(model_id, preamble, [turn], index) if model_id else None
        write_media(part, out / name, provenance)
        content.append({"type": modality, "path": name})
    return {"id": row_id, "status": "ok", "seed": turn.request.seed, "content": content}


def file_stem(row_id: str) -> str:
    """The id as a safe file name. If that changes it, a hash is added to keep names distinct.

    So it is if the id has capitals: some file systems take `Cat` and `cat` for the same name.
    """
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", row_id)[:80]
    return stem if stem.lower() == row_id else f"{stem}-{derive_seed(row_id):012x}"


# --- the file


def record_line(record: BatchRecord) -> str:
    """The record as JSON; an id with lone surrogates is escaped."""
    return json.dumps(record, ensure_ascii=False).encode(errors="backslashreplace").decode()


def append_record(record: BatchRecord, path: Path) -> None:
    """Appends a whole line in one write; it is on the disk when this returns."""
    line = (record_line(record) + "\n").encode()
    with path.open("ab", buffering=0) as stream:
        stream.write(line)
        os.fsync(stream.fileno())


def keep_finished(path: Path, ids: Set[str]) -> set[str]:
    """The ids that have an answer. Drops a half-written line, and errors of `ids`, to try again."""
    if not path.exists():
        return set()
    data = path.read_bytes()
    lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
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
    """The id and the status of a record. Raises ValueError if anygen did not write the line."""
    try:
        record = json.loads(line)
        return record["id"], record["status"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{printable(path)}: line {number} was not written by anygen; choose another --out"
        ) from None

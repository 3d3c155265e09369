"""The output of a batch: records.jsonl, one line for each answered row, and its media beside it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from anygen.checkpoints.model_id import ModelId
from anygen.conversation.history import Turn
from anygen.conversation.provenance import provenance_json
from anygen.core.media import modality_of
from anygen.core.modality import TABLE
from anygen.core.schema import explain
from anygen.generation.request import derive_seed
from anygen.io import locks
from anygen.io.atomic import replacing
from anygen.io.media_files import printable, write_media

RECORDS = "records.jsonl"
LOCK = f".{RECORDS}.lock"
MAX_ERROR = 500  # characters; a URL or a path in it may be longer
ERROR_END = 80  # of them, after what is left out: sentences begin with a name and end with a reason


class BatchRecord(TypedDict):
    """One line of records.jsonl."""

    id: str
    status: Literal["ok", "error"]
    seed: int
    content: list[dict[str, str]]  # {"type": "text", "text": ...} or {"type": "image", "path": ...}
    finish: NotRequired[str]  # why the answer was cut short
    error: NotRequired[str]
    prompt_hash: NotRequired[str]  # of the messages; these two tell if the row has changed since
    settings_hash: NotRequired[str]  # of all else that decides the answer


def error_record(row_id: str, seed: int, error: Exception) -> BatchRecord:
    return {
        "id": row_id,
        "status": "error",
        "seed": seed,
        "content": [],
        "error": short_error(explain(error)),
    }


def short_error(text: str) -> str:
    """One line of at most MAX_ERROR characters, without its middle if it is longer."""
    line = "; ".join(text.splitlines())
    if len(line) <= MAX_ERROR:
        return line
    gap = " ... "
    return line[: MAX_ERROR - ERROR_END - len(gap)] + gap + line[-ERROR_END:]


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


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


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


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keeps other runs out of the folder. Raises ValueError if one is at work there."""
    lock = locks.acquire(
        out / LOCK,
        f"{printable(out)}: another run writes there; wait until it ends, or choose another --out",
    )
    try:
        yield
    finally:
        lock.release()


def keep_finished(path: Path, ids: Set[str]) -> dict[str, BatchRecord]:
    """The records of answers, by id.

    Drops a half-written line, and errors of `ids`, to try again. Raises ValueError if anygen did
    not write the file.
    """
    if not path.exists():
        return {}
    data = path.read_bytes()
    *lines, last = data.split(b"\n")
    if parse_record(last):  # an editor, or a tool that joins files, took its newline
        lines.append(last)
    kept: list[bytes] = []
    finished: dict[str, BatchRecord] = {}
    for number, line in enumerate(lines, start=1):
        record = parse_record(line)
        if record is None and line.strip():
            raise ValueError(
                f"{printable(path)}: line {number} was not written by anygen; choose another --out"
            )
        if record is None or (record["status"] != "ok" and record["id"] in ids):
            continue
        kept.append(line + b"\n")
        if record["status"] == "ok":
            finished[record["id"]] = record
    if b"".join(kept) != data:
        with replacing(path) as temporary:
            temporary.write_bytes(b"".join(kept))
    return finished


def parse_record(line: bytes) -> BatchRecord | None:
    """The record in a line; None if there is no whole one that anygen wrote."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(data, dict) and isinstance(data.get("id"), str)
    if not known or data.get("status") not in ("ok", "error"):
        return None
    record: BatchRecord = data
    return record

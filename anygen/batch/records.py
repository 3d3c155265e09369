"""The output of a batch: records.jsonl, one line for each answered row, and its media beside it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from anygen.checkpoints.model_id import ModelId
from anygen.conversation.history import Turn
from anygen.conversation.provenance import provenance_json
from anygen.core.media import modality_of
from anygen.core.modality import TABLE
from anygen.core.schema import explain
from anygen.generation.events import FinishReason
from anygen.generation.request import derive_seed
from anygen.io import locks
from anygen.io.atomic import DISK_ERRORS, replacing
from anygen.io.media_files import printable, write_media

RECORDS = "records.jsonl"
LOCK = f".{RECORDS}.lock"
MAX_ERROR = 500  # characters; a URL or a path in it may be longer
ERROR_END = 80  # of them, after what is left out: sentences begin with a name and end with a reason


# What is wrong with a row: it asks for what cannot be, its answer is empty, or else something has
# failed, it has taken too long, or it has ended the process that answered it.
ErrorCode = Literal["invalid", "empty", "failed", "timeout", "worker_died"]


class BatchRecord(TypedDict):
    """One line of records.jsonl."""

    id: str
    status: Literal["ok", "error"]
    seed: int
    content: list[dict[str, str]]  # a type with a text, or with the path and sha256 of a file
    finish: NotRequired[FinishReason]  # why the answer was cut short
    error: NotRequired[str]
    code: NotRequired[ErrorCode]
    attempts: NotRequired[int]  # that ended in an error
    prompt_hash: NotRequired[str]  # of the messages; these two tell if the row has changed since
    settings_hash: NotRequired[str]  # of all else that decides the answer


def error_record(row_id: str, seed: int, error: Exception, code: ErrorCode) -> BatchRecord:
    return {
        "id": row_id,
        "status": "error",
        "seed": seed,
        "content": [],
        "error": short_error(explain(error)),
        "code": code,
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
        out.mkdir(exist_ok=True)
        write_media(part, out / name, provenance)
        content.append({"type": modality, "path": name, "sha256": sha256_of(out / name)})
    return {"id": row_id, "status": "ok", "seed": turn.request.seed, "content": content}


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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


def append_line(text: str, path: Path) -> None:
    """Appends a whole line in one write; it is on the disk when this returns."""
    with path.open("ab", buffering=0) as stream:
        stream.write(f"{text}\n".encode())
        os.fsync(stream.fileno())


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Makes a folder, and keeps other runs out. Raises ValueError if one is at work there."""
    out.mkdir(parents=True, exist_ok=True)
    lock = locks.acquire(
        out / LOCK,
        f"{printable(out)}: another run writes there; wait until it ends, or choose another --out",
    )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def naming_the_disk(out: Path) -> Iterator[None]:
    """Raises ValueError, with the folder, if it cannot be written to whatever is written."""
    try:
        yield
    except OSError as error:
        if not is_of_disk(error):
            raise
        raise ValueError(
            f"{printable(out)}: {error.strerror}; once that is mended, the same command continues"
        ) from None


def is_of_disk(error: Exception) -> bool:
    """Whether the disk is full or read-only: then no row is at fault."""
    return isinstance(error, OSError) and error.errno in DISK_ERRORS


def read_records(path: Path) -> list[BatchRecord]:
    """The whole records in a file, if there is one. Raises ValueError if anygen did not write it.

    What a killed process left incomplete at its end is left out.
    """
    if not path.exists():
        return []
    *lines, last = path.read_bytes().split(b"\n")
    if parse_record(last):  # an editor, or a tool that joins files, took its newline
        lines.append(last)
    records = []
    for number, line in enumerate(lines, start=1):
        record = parse_record(line)
        if record is None and line.strip():
            raise ValueError(
                f"{printable(path)}: line {number} was not written by anygen; choose another --out"
            )
        if record is not None:
            records.append(record)
    return records


def write_records(records: Iterable[BatchRecord], path: Path) -> None:
    """Writes a file of records, atomically. A file that holds them already is left alone."""
    data = "".join(f"{record_line(record)}\n" for record in records).encode()
    if not path.exists() or path.read_bytes() != data:
        with replacing(path) as temporary:
            temporary.write_bytes(data)


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

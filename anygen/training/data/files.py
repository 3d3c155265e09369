"""Files of records, one JSON object per line: memory holds only where the lines are."""

import codecs
import hashlib
import json
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from anygen.core.media import Media
from anygen.core.records import CONTENT_ERROR, Record
from anygen.core.schema import explain_in_line
from anygen.core.text import valid_text
from anygen.io.atomic import replacing
from anygen.io.media_files import MediaError, hash_media, printable, read_media
from mosit_data.formats.json_stream import GZIP, encoding_fault
from mosit_data.formats.media_folder import ADDRESS, short

ID_LENGTH = 80  # characters of an id in messages
# Keys that no record has together, and the layout of `anygen data convert` that does.
LAYOUT_KEYS = (
    ("llava", {"conversations", "image"}),
    ("llava", {"conversations", "video"}),
    ("sharegpt", {"conversations"}),
    ("nextgpt", {"conversation"}),
    ("m3it", {"instruction", "outputs"}),
    ("alpaca", {"instruction"}),
    ("multiinstruct", {"prompt", "target"}),
    ("captions", {"image", "caption"}),
    ("captions", {"image", "text"}),
    ("mmc4", {"text_list"}),
    ("obelics", {"texts"}),
    ("spider", {"TaskPrompt"}),
    ("swift", {"messages", "images"}),
)
OPENAI_TYPES = ("image_url", "audio_url", "video_url", "input_audio")  # of parts of a content
# What begins a file that is no text in UTF-8.
FOREIGN = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE, GZIP)


class RowError(ValueError):
    """A row that cannot be learned from: where it is, its id if it has one, and why."""

    def __init__(self, file: Path, line: int | str, row_id: str, reason: str) -> None:
        """`line` is the number of a line, or the name of a sample in an archive."""
        row_id, reason = valid_text(row_id), valid_text(reason)
        name = f"record {row_id[:ID_LENGTH]}: " if row_id else ""
        place = f"{printable(file)}:{printable(str(line))}"
        super().__init__(f"{place}: {printable(name)}{reason}")
        self.file, self.line, self.row_id, self.reason = file, line, row_id, reason


@dataclass(frozen=True, eq=False)
class LineIndex:
    """Where the lines of a file that are not blank begin and end, and the SHA-256 of the file."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    numbers: NDArray[np.int64]  # of lines, from 1
    sha256: str


@dataclass(frozen=True)
class MediaFolder:
    """Media as files, by paths that are relative to a folder and may lead out of it."""

    folder: Path

    def read(self, path: str) -> Media:
        """Raises MediaError."""
        return read_media(self.locate(path))

    def sha256(self, path: str) -> str:
        """Of the bytes of a file. Raises MediaError."""
        return hash_media(self.locate(path))

    def locate(self, path: str) -> Path:
        """Raises MediaError for what cannot be the path of a file."""
        if not path or "\0" in path:
            raise MediaError(f"the path {path!r} names no file")
        if ADDRESS.match(path):
            raise MediaError(f"{short(path)}: is an address; fetch the file and name it instead")
        return self.folder / path

    def is_outside(self, path: str) -> bool:
        """Whether a file lies elsewhere, also if it is a link in the folder that leads there."""
        return not Path(os.path.realpath(self.locate(path))).is_relative_to(
            os.path.realpath(self.folder)
        )


@dataclass(frozen=True)
class RecordFile:
    """One JSONL file in UTF-8. Blank lines are no rows."""

    path: Path

    @cached_property
    def index(self) -> LineIndex:
        status = self.path.stat()
        return find_lines(self.path, status.st_size, status.st_mtime_ns)

    def __len__(self) -> int:
        return len(self.index.starts)

    def line(self, row: int) -> int:
        """The number of a row's line, from 1."""
        return int(self.index.numbers[row])

    def read(self, row: int) -> Record:
        """Raises RowError if the line is not a valid record."""
        start, end = int(self.index.starts[row]), int(self.index.ends[row])
        with self.path.open("rb") as stream:
            stream.seek(start)
            return parse(stream.read(end - start), self.path, self.line(row))

    def read_all(self) -> Iterator[Record | RowError]:
        """All rows in order, in one pass over the file; an error for each that is no record."""
        for number, line in self:
            try:
                yield parse(line, self.path, number)
            except RowError as error:
                yield error

    def media(self, row: int, folder: Path | None) -> MediaFolder:
        """Where the media of a row are: in `folder`, by default that of the file."""
        return MediaFolder(folder or self.path.parent)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """The numbers of lines that are not blank, and the lines."""
        with self.path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, line


def parse(line: bytes, file: Path, number: int) -> Record:
    """The record in a line. Raises RowError."""
    try:
        data = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise RowError(file, number, "", "is not UTF-8; save the file as UTF-8") from None
    except ValueError as error:
        raise RowError(file, number, "", f"is not JSON: {error}") from None
    except RecursionError:
        raise RowError(file, number, "", "is nested too deeply") from None
    if not isinstance(data, dict):
        raise RowError(file, number, "", "is not a JSON object")
    data.setdefault("id", f"line-{number}")
    if type(data["id"]) is int:
        data["id"] = str(data["id"])
    try:
        return Record.model_validate(data)
    except ValidationError as error:
        reason = layout_fault(data, error) or explain_in_line(error, Record)
        raise RowError(file, number, str(data["id"]), reason) from None


def layout_fault(data: dict[str, Any], error: ValidationError) -> str:
    """What makes a record of a row of another layout; empty if the row is of none."""
    refused = (problem["input"] for problem in error.errors() if problem["type"] == CONTENT_ERROR)
    of_openai = any(isinstance(p, dict) and p.get("type") in OPENAI_TYPES for p in refused)
    known = (layout for layout, keys in LAYOUT_KEYS if keys <= data.keys())
    layout = next(known, "openai" if of_openai else "")
    return (
        f"is a row of another layout; anygen data convert --from {layout} makes records of such"
        if layout
        else ""
    )


@lru_cache(maxsize=1024)
def find_lines(path: Path, size: int, modified: int) -> LineIndex:
    """The index of a file of this size and time: a stored one, or from one pass over the file.

    Raises ValueError if it begins as a file in another encoding does.
    """
    stored = stored_index(path, size, modified)
    return LineIndex(**stored) if stored else index_lines(path)


def stored_index(path: Path, size: int, modified: int) -> dict[str, Any] | None:
    """The index that lies beside a file of this size and time, by field, if there is one."""
    stored = index_path(path)
    if stored.is_file():
        try:
            with np.load(stored, allow_pickle=False) as columns:
                found = {name: columns[name] for name in columns.files}
            if found.pop("status").tolist() == [size, modified]:
                return {**found, "sha256": str(found["sha256"])}
        except (ValueError, KeyError, OSError, BadZipFile):  # damaged, or of something else
            pass
    return None


def index_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.index.npz")


def store_index(file: Path, index: object) -> Path:
    """Writes the index beside its file; returns where. It is used while the file stays as it is."""
    path, status = index_path(file), file.stat()
    columns: dict[str, Any] = {name: np.array(value) for name, value in vars(index).items()}
    with replacing(path) as temporary:
        np.savez(temporary, status=np.array([status.st_size, status.st_mtime_ns]), **columns)
    return path


def index_lines(path: Path) -> LineIndex:
    """One pass over a file. Raises ValueError if it begins as one in another encoding does."""
    digest, offset = hashlib.sha256(), 0
    starts, ends, numbers = (array("q") for _ in range(3))
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if number == 1 and line.startswith(FOREIGN):
                raise ValueError(f"{printable(path)}: {encoding_fault(path)}")
            digest.update(line)
            if line.strip():
                starts.append(offset)
                ends.append(offset + len(line))
                numbers.append(number)
            offset += len(line)
    first, last, number_of = (np.frombuffer(c, dtype=np.int64) for c in (starts, ends, numbers))
    return LineIndex(first, last, number_of, digest.hexdigest())

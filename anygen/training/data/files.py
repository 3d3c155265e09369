"""Files of records, one JSON object per line: memory holds only where the lines are."""

import codecs
import hashlib
import json
import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from anygen.core.records import Record
from anygen.core.schema import explain_in_line
from anygen.io.atomic import replacing
from anygen.io.media_files import printable

MAGIC = re.compile(r"[*?[]")  # of a pattern
ID_LENGTH = 80  # characters of an id in messages
FOREIGN = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)


class RowError(ValueError):
    """A row that cannot be learned from: where it is, its id if it has one, and why."""

    def __init__(self, file: Path, line: int, row_id: str, reason: str) -> None:
        name = f"record {row_id[:ID_LENGTH]}: " if row_id else ""
        super().__init__(f"{printable(file)}:{line}: {printable(name)}{reason}")
        self.file, self.line, self.row_id, self.reason = file, line, row_id, reason


@dataclass(frozen=True, eq=False)
class LineIndex:
    """Where the lines of a file that are not blank begin and end, and the SHA-256 of the file."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    numbers: NDArray[np.int64]  # of lines, from 1
    sha256: str


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
        reason = explain_in_line(error)
        raise RowError(file, number, str(data["id"]), reason) from None


@lru_cache(maxsize=1024)
def find_lines(path: Path, size: int, modified: int) -> LineIndex:
    """The index of a file of this size and time: a stored one, or from one pass over the file.

    Raises ValueError if it is not UTF-8.
    """
    stored = index_path(path)
    if stored.is_file():
        try:
            with np.load(stored, allow_pickle=False) as columns:
                if columns["status"].tolist() == [size, modified]:
                    starts, ends, numbers = (columns[n] for n in ("starts", "ends", "numbers"))
                    return LineIndex(starts, ends, numbers, str(columns["sha256"]))
        except (ValueError, KeyError, OSError, BadZipFile):  # damaged, or of something else
            pass
    return index_lines(path)


def index_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.index.npz")


def store_index(file: RecordFile) -> Path:
    """Writes the index beside its file; returns where. It is used while the file stays as it is."""
    path, index, status = index_path(file.path), index_lines(file.path), file.path.stat()
    with replacing(path) as temporary:
        np.savez(
            temporary,
            starts=index.starts,
            ends=index.ends,
            numbers=index.numbers,
            sha256=np.array(index.sha256),
            status=np.array([status.st_size, status.st_mtime_ns]),
        )
    return path


def index_lines(path: Path) -> LineIndex:
    """One pass over a file. Raises ValueError if it is not UTF-8."""
    digest, offset = hashlib.sha256(), 0
    starts, ends, numbers = (array("q") for _ in range(3))
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if number == 1 and line.startswith(FOREIGN):
                raise ValueError(f"{printable(path)}: is not UTF-8; save it as UTF-8")
            digest.update(line)
            if line.strip():
                starts.append(offset)
                ends.append(offset + len(line))
                numbers.append(number)
            offset += len(line)
    first, last, number_of = (np.frombuffer(c, dtype=np.int64) for c in (starts, ends, numbers))
    return LineIndex(first, last, number_of, digest.hexdigest())


def find_all(patterns: Iterable[str]) -> list[RecordFile]:
    """The files of several paths or patterns, in their order. Raises ValueError."""
    return [file for pattern in patterns for file in find_files(pattern)]


def find_files(pattern: str) -> list[RecordFile]:
    """The JSONL files of a path, or of a pattern such as clips/**/*.jsonl, sorted by name.

    Raises ValueError if there are none, or if one is not JSONL.
    """
    whole = Path(pattern).absolute()
    paths = [Path(pattern)]
    if not whole.is_file() and MAGIC.search(pattern):
        paths = sorted(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))))
    if not paths:
        raise ValueError(f"{printable(pattern)}: no file has such a name")
    files = []
    for path in paths:
        if not path.is_file():
            raise ValueError(f"{printable(path)}: no such file")
        if path.suffix.lower() != ".jsonl":
            raise ValueError(
                f"{printable(path)}: records are a .jsonl file, one JSON object per line; "
                f"anygen data convert makes one from other formats"
            )
        files.append(RecordFile(path))
    return files

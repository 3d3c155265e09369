"""The rows of JSON, JSON lines, CSV, TSV and Parquet files, each with the place where it stands."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from anygen.core.records import Record
from anygen.core.text import from_json
from anygen.io.media_files import printable
from mosit_data.formats.json_stream import JsonStream, encoding_fault

LINES = (".jsonl", ".ndjson")
SUFFIXES = (".json", *LINES, ".csv", ".tsv", ".parquet")  # of files that hold rows
MAX_FIELD = 1 << 30  # characters of a CSV field


@dataclass(frozen=True)
class RawRow:
    """A row as the file holds it, before anything but its kind has been checked."""

    place: str  # for people: file:line, with the number of the row if it is that of a list
    name: str  # its id if it has none of its own
    data: dict[str, Any] = field(default_factory=dict)
    error: str = ""  # if it is not an object


@dataclass(frozen=True)
class Kept:
    """The record that a row became."""

    place: str
    record: Record
    unread: tuple[str, ...] = ()  # names of what the row holds and the record does not


@dataclass(frozen=True)
class Refusal:
    """A row that is left out, and why, in one sentence."""

    place: str
    id: str
    reason: str


def files_below(folder: Path) -> Iterator[Path]:
    """The files in a folder and its folders, by name, without those that are hidden by a dot."""
    for path in sorted(folder.rglob("*")):
        names = path.relative_to(folder).parts
        if path.is_file() and not any(name.startswith(".") for name in names):
            yield path


def raw_row(path: Path, number: int, data: Any) -> RawRow:
    if not isinstance(data, dict):
        return damaged_row(path, number, f"is {kind_of(data)}, not an object")
    return RawRow(place_in(path, number), name_in(path, number), data)


def damaged_row(path: Path, number: int, error: str) -> RawRow:
    return RawRow(place_in(path, number), name_in(path, number), error=error)


def place_in(path: Path, number: int) -> str:
    return f"{printable(path.name)}:{number}"


def name_in(path: Path, number: int) -> str:
    return f"{path.stem}-{number}"


def kind_of(value: Any) -> str:
    kinds = {str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return {**kinds, list: "a list", dict: "an object"}.get(type(value), "null")


def read_rows(path: Path) -> Iterator[RawRow]:
    """The rows of a file; its suffix decides how it is read, JSON being the default.

    A damaged line of JSON lines is a row with an error. Raises ValueError if the file as a whole
    cannot be read, OSError if it cannot be opened.
    """
    readers: dict[str, Callable[[Path], Iterator[RawRow]]] = {
        **dict.fromkeys(LINES, read_lines),
        ".csv": read_csv,
        ".tsv": read_csv,
        ".parquet": read_parquet,
    }
    return readers.get(path.suffix.lower(), read_json)(path)


def read_json(path: Path, key: str = "") -> Iterator[RawRow]:
    """The members of the list in the file, or of the list under `key` of its object.

    What begins with an object and has no `key` is read as JSON lines.
    """
    with JsonStream(path) as stream:
        if stream.peek() == "[":
            yield from list_rows(stream, path)
            after_end(stream)
            return
        if stream.peek() == "{" and key:
            for member in stream.members():
                if member == key:
                    yield from list_rows(stream, path)
                else:
                    stream.value()
            return
    yield from read_lines(path)


def list_rows(stream: JsonStream, path: Path) -> Iterator[RawRow]:
    """The members of a list, which may all stand on one line: their numbers name them."""
    for number, _ in enumerate(stream.members(), start=1):
        stream.peek()
        place = f"{place_in(path, stream.line)} (row {number})"
        yield replace(raw_row(path, number, stream.value()), place=place)


def after_end(stream: JsonStream) -> None:
    if stream.peek():
        raise stream.damaged("the list has ended, and more follows")


def read_lines(path: Path) -> Iterator[RawRow]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                yield raw_row(path, number, from_json(line.decode("utf-8-sig")))
            except UnicodeDecodeError:
                yield damaged_row(path, number, encoding_fault(path))
            except ValueError as error:
                yield damaged_row(path, number, f"is not JSON: {error}")


def read_csv(path: Path) -> Iterator[RawRow]:
    """Rows under the columns that the first line names. Raises ValueError."""
    csv.field_size_limit(MAX_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        table = csv.DictReader(stream, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        try:
            for data in table:
                yield raw_row(path, table.line_num, {k: v for k, v in data.items() if k})
        except UnicodeDecodeError:
            raise ValueError(f"{printable(path.name)}: {encoding_fault(path)}") from None
        except csv.Error as error:
            raise ValueError(f"{printable(path.name)}:{table.line_num}: {error}") from None


def read_parquet(path: Path) -> Iterator[RawRow]:
    """Rows in batches. Raises ValueError, also if pyarrow is not installed."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise ValueError(
            f"{printable(path.name)}: Parquet needs pyarrow: pip install 'anygen-mm[data]'"
        ) from None
    try:
        with ParquetFile(io.BufferedReader(path.open("rb"))) as table:  # type: ignore[arg-type]
            batches = (batch.to_pylist() for batch in table.iter_batches(batch_size=256))
            for number, data in enumerate(chain.from_iterable(batches), start=1):
                yield raw_row(path, number, data)
    except (ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{printable(path.name)}: is no Parquet file: {reason}") from None

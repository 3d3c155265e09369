"""Files of prompts: JSON lines, tables, texts with a prompt per line, and standard input.

| suffix | a row is |
|---|---|
| `.jsonl`, `.ndjson` | an object per line, also in the form of OpenAI's batch files |
| `.csv`, `.tsv`, `.parquet` | a row of a table; columns are keys of a row, or names of options |
| `.txt` | a prompt per line |

Standard input, `-`, holds objects if it begins with one, and otherwise a prompt per line.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from anygen.batch.openai_lines import is_openai_line, plain_line
from anygen.batch.options import OPTION_NAMES, is_option
from anygen.batch.rows import KEYS, BatchRow
from anygen.core.schema import did_you_mean
from anygen.core.text import json_problem
from anygen.generation.option_names import parsed
from anygen.io.media_files import printable
from anygen.io.paths import read_file, user_path

STDIN = Path("-")
# No prompt is a single word that ends so, but the name of a file may be.
OTHER_SUFFIXES = (".json", ".md", ".yaml", ".yml", ".xlsx", ".xls")
# UTF-32 first: its little-endian mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
MAX_FIELD = 1 << 30  # characters of a CSV field


def source_of(text: str) -> Path | str:
    """The file of prompts that a text names, or the text itself, a prompt.

    Raises ValueError for a file of another kind, and for a prompt of white space.
    """
    if not text.strip():
        raise ValueError("the prompt is empty; write a text")
    if text == str(STDIN):
        return STDIN
    path = user_path(text)
    suffix = path.suffix.lower()
    is_word = not re.search(r"\s", text)
    if suffix == ".jsonl" or (suffix in READERS and (is_word or is_file(path))):
        return path
    if is_file(path) or (suffix in OTHER_SUFFIXES and is_word):
        raise ValueError(
            f"{printable(text)}: the name of a file of prompts ends in one of {', '.join(READERS)}"
        )
    return text


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a long text is no name
        return False


def read_rows(path: Path) -> list[BatchRow]:
    """The rows of a file, each under an id of its own.

    A row without an id is named after its place, such as `line-7`. So is one that fails alone: it
    is not an object, or its id is neither a text nor a whole number. Raises ValueError if two rows
    have the same id, if a table has a column of no known name, or if the file cannot be read.
    """
    read = read_stdin if path == STDIN else READERS[path.suffix.lower()]
    rows: list[BatchRow] = []
    owners: dict[str, str] = {}  # the places of the ids
    for row, place in read(path):
        if row.id in owners:
            if row.has_own_id:
                raise ValueError(
                    f"{printable(path)}: {printable(row.id)!r} is the id of {owners[row.id]} and "
                    f"of {place}; give each its own"
                )
            row = row.renamed(unused_id(row.id, owners))
        owners[row.id] = place
        rows.append(row)
    return rows


def unused_id(row_id: str, used: Mapping[str, str]) -> str:
    while row_id in used:  # a row may have called itself so
        row_id += "-again"
    return row_id


Rows = Iterator[tuple[BatchRow, str]]  # each with its place, such as `line 7`


def read_lines(path: Path) -> Rows:
    return json_rows(decoded(read_file(path), path))


def read_prompts(path: Path) -> Rows:
    return prompt_rows(decoded(read_file(path), path))


def read_stdin(path: Path) -> Rows:
    data = decoded(sys.stdin.buffer.read(), path)
    return (json_rows if data.lstrip().startswith(b"{") else prompt_rows)(data)


def json_rows(data: bytes) -> Rows:
    for number, line in numbered(data):
        yield parse_line(line, number), f"line {number}"


def prompt_rows(data: bytes) -> Rows:
    for number, line in numbered(data):
        yield (
            BatchRow.of({"prompt": line.decode(errors="replace").strip()}, f"line-{number}"),
            (f"line {number}"),
        )


def numbered(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty, counted from 1 with those that are."""
    return ((n, line) for n, line in enumerate(data.split(b"\n"), start=1) if line.strip())


def decoded(data: bytes, path: Path) -> bytes:
    """The content as UTF-8, whatever the encoding that its first bytes mark.

    Raises ValueError for a file that is not what its mark says, and for UTF-16 without a mark.
    """
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "")
    if encoding:
        try:
            return data.decode(encoding).encode()
        except UnicodeDecodeError:
            raise ValueError(
                f"{printable(path)}: begins as {encoding.upper()} and is not; save it as UTF-8"
            ) from None
    if b"\0" in data[:2]:
        raise ValueError(f"{printable(path)}: is not UTF-8; save it as UTF-8")
    return data


def parse_line(line: bytes, number: int) -> BatchRow:
    name = f"line-{number}"
    try:
        data = json.loads(line.decode())
    except UnicodeDecodeError:
        return BatchRow(name, error=f"line {number} is not UTF-8; save the file as UTF-8")
    except (ValueError, RecursionError) as error:
        return BatchRow(name, error=f"line {number} {described(error)}")
    if not isinstance(data, dict):
        return BatchRow(name, error=f"line {number} is not a JSON object")
    try:
        return BatchRow.of(plain_line(data) if is_openai_line(data) else data, name)
    except ValueError as error:  # of a line of OpenAI's
        row = BatchRow.of({"id": data["custom_id"]}, name)
        return replace(row, data={}, error=row.error or f"line {number}: {error}")


def described(error: Exception) -> str:
    """Why a text is no JSON that can be read, and where."""
    where = f": {error}" if isinstance(error, json.JSONDecodeError) else ""
    return f"{json_problem(error)}{where}"


# --- tables


def read_csv(path: Path) -> Rows:
    csv.field_size_limit(MAX_FIELD)
    text = decoded(read_file(path), path).decode(errors="replace")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        check_columns(path, table.fieldnames or ())
        for cells in table:
            yield table_row(cells, f"line-{table.line_num}"), f"line {table.line_num}"
    except csv.Error as error:
        raise ValueError(f"{printable(path)}: line {table.line_num}: {error}") from None


def read_parquet(path: Path) -> Rows:
    from mosit_data.formats import rows as tables

    for number, row in enumerate(tables.read_parquet(path), start=1):
        if number == 1:
            check_columns(path, row.data)
        yield table_row(row.data, f"row-{number}"), f"row {number}"


def check_columns(path: Path, names: Iterable[str]) -> None:
    names = list(names)
    for name in names:
        if name not in KEYS and not is_option(name):
            hint = did_you_mean(name, (*KEYS, *OPTION_NAMES))
            raise ValueError(
                f"{printable(path)}: no column may be named {name!r}{hint}; there are "
                f"{', '.join(KEYS)}, and names of options such as image.steps"
            )
        if names.count(name) > 1:
            problem = f"has more than one column named {name!r}; keep one of them"
            raise ValueError(f"{printable(path)}: {problem}")
    if not {"prompt", "messages"} & set(names):
        raise ValueError(f"{printable(path)}: has no column prompt, and none of messages")


def table_row(cells: Mapping[Any, Any], name: str) -> BatchRow:
    """The row in these cells; an empty cell is left out, as if its column were not there."""
    if None in cells:  # csv gathers what has no column there
        return BatchRow(name, error="has more cells than the table has columns")
    data: dict[str, Any] = {}
    try:
        for key, value in cells.items():
            value = compact(value)
            if key is None or value is None or value == "":
                continue
            if is_option(key):
                text = isinstance(value, str)
                data.setdefault("options", {})[key] = parsed(key, value) if text else value
            elif key in ("messages", "options") and isinstance(value, str):
                data[key] = json.loads(value)
            else:
                data[key] = value
    except (ValueError, RecursionError) as error:
        return BatchRow(name, error=f"{key}: {described(error)}")
    return BatchRow.of(data, name)


def compact(value: Any) -> Any:
    """A value of Parquet without the keys that a struct has in other rows only."""
    if isinstance(value, dict):
        return {key: compact(inner) for key, inner in value.items() if inner is not None}
    return [compact(inner) for inner in value] if isinstance(value, list) else value


READERS: dict[str, Callable[[Path], Rows]] = {
    ".jsonl": read_lines,
    ".ndjson": read_lines,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".parquet": read_parquet,
    ".txt": read_prompts,
}

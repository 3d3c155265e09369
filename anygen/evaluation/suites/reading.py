"""What readers of published layouts share: rows of files, pictures in folders, and questions."""

import base64
import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anygen.core.media import Media, Message
from anygen.evaluation.suites.base import GREEDY, Case, Unit
from anygen.generation.options import AnswerOptions
from anygen.io.media_files import read_bytes, read_media

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".JPG", ".JPEG", ".PNG")


def question(
    text: str, *media: Path | Media, tokens: int = 64, choices: Sequence[str] = ()
) -> Case:
    """A question about media, answered greedily in text of at most so many tokens.

    With choices none is written: the likeliest of them is the answer.
    """
    read = (read_media(one) if isinstance(one, Path) else one for one in media)
    return conversation([Message("user", (*read, text))], tokens, choices)


def conversation(
    messages: Sequence[Message], tokens: int = 64, choices: Sequence[str] = ()
) -> Case:
    """`question` for a whole conversation."""
    options = AnswerOptions(modalities=("text",), max_new_tokens=tokens, **GREEDY)
    return Case(messages, options=options, choices=tuple(choices))


def decoded(data: str, name: str) -> Media:
    """The medium in base64; `name` is for messages. Raises ValueError."""
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        raise ValueError(f"{name} is not in base64") from None
    return read_bytes(content, name)


ODD = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    UnicodeDecodeError,
    csv.Error,
)


@contextmanager
def in_form(path: Path, form: str) -> Iterator[None]:
    """For reading what others wrote. Raises ValueError, with the path, for odd types and bytes."""
    try:
        yield
    except ODD as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path}: is not in {form} ({reason})") from error


def finite(value: Any, where: str) -> float:
    """A number, also one in a text. Raises ValueError for anything else, and for NaN."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{where}: {value!r} is no number")
    return number


def read_json(path: Path) -> Any:
    """Raises ValueError with the path."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: is not JSON: {error}") from None


def read_rows(path: Path, *keys: str) -> Iterator[dict[str, Any]]:
    """The objects of a file with one in each line; each has these keys.

    Raises ValueError with the number of the line.
    """
    with in_form(path, "UTF-8"):
        lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}:{number}: is not JSON: {error}") from None
        yield with_keys(row, keys, f"{path}:{number}")


def read_csv(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a table, each with its place for messages.

    Raises ValueError, with that place, for a row that has nothing in one of these columns.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream), start=2):
            where = f"{path}:{number}"
            if missing := [name for name in columns if not row.get(name)]:
                raise ValueError(f"{where}: lacks {', '.join(missing)}")
            yield where, row


def with_keys(row: Any, keys: Sequence[str], where: str) -> dict[str, Any]:
    """The row. Raises ValueError if it is no object with these keys."""
    if not isinstance(row, dict):
        raise ValueError(f"{where}: is not a JSON object")
    if missing := [key for key in keys if key not in row]:
        raise ValueError(f"{where}: lacks {', '.join(missing)}")
    return row


def only_file(folder: Path, pattern: str, meaning: str) -> Path:
    """The one file in a folder that matches. Raises ValueError if there is none, or several."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ValueError(f"{folder}: needs one file {pattern}, {meaning}; it has {names}")
    return found[0]


def find_medium(folder: Path, name: str, folders: Sequence[str] = ()) -> Path:
    """A medium by its file's name in the folder, or in one of these folders below it.

    Raises ValueError, with where it was expected.
    """
    places = [folder / name, *(folder / below / Path(name).name for below in folders)]
    for path in places:
        if path.is_file():
            return path
    elsewhere = f" (nor {name} in {folder})" if folders else ""
    raise ValueError(f"there is no file {places[-1]}{elsewhere}")


def find_by_stem(stems: Iterable[Path], suffixes: Sequence[str] = PICTURES) -> Path | None:
    """The first medium at one of these paths, which lack an ending of these."""
    paths = (stem.with_name(f"{stem.name}{suffix}") for stem in stems for suffix in suffixes)
    return next((path for path in paths if path.is_file()), None)


def in_order(units: Sequence[Unit]) -> list[Unit]:
    """By id, numbers by value: the order of the lines in a file changes nothing."""
    return sorted(units, key=lambda unit: natural(unit.id))


def natural(text: str) -> list[tuple[int, str]]:
    pieces = re.split(r"(\d+)", text)
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in pieces]

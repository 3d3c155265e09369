"""Splits a typed line into the parts of a message: text, and the media files that it names."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from anygen.core.media import Part
from anygen.core.modality import TABLE
from anygen.io.media_files import read_media
from anygen.io.paths import user_path

SUFFIXES = frozenset(suffix for row in TABLE.values() for suffix in row.read_suffixes)
# At the start of a word: an optional @, then "a quoted path", 'a path', or a\ path with\ escapes.
WORD = re.compile(r"""(?<!\S)(@?)(?:"([^"]+)"|'([^']+)'|((?:\\.|[^\s\\])+))""")
ROOTED = ("/", "~/", "./", "../", "file://")  # terminals write dropped files like this


def parse_line(line: str) -> tuple[Part, ...]:
    """Text and attached media, in the order of the line. Raises MediaError.

    `@word` is a file if it exists or has a media suffix such as .png. A path without @ is a file
    only if it exists, has a media suffix, and is quoted or starts with one of ROOTED: that is how
    a terminal writes a file that is dropped on it.
    """
    parts: list[Part] = []
    start = position = 0
    while match := WORD.search(line, position):
        position = match.start() + 1
        if found := attached_path(match):
            path, end = found
            parts += [line[start : match.start()].strip(), read_media(path)]
            start = position = end
    parts.append(line[start:].strip())
    return tuple(part for part in parts if part != "")


def begins_with_path(line: str) -> bool:
    """Whether the first word of a line that starts with / is a dropped file, not a command."""
    match = WORD.match(line)
    return match is not None and attached_path(match) is not None


def attached_path(match: re.Match[str]) -> tuple[Path, int] | None:
    """The path of an attachment and the index where it ends; None for an ordinary word."""
    marked, double, single, word = match.groups()
    quoted = double or single
    names_file = is_marked_file if marked else is_dropped_file
    if quoted:
        path = open_path(quoted)
        return (path, match.end()) if names_file(path) else None
    if not marked and not word.startswith(ROOTED):
        return None
    while word:
        path = open_path(re.sub(r"\\(.)", r"\1", word))
        if names_file(path):
            return path, match.start(4) + len(word)
        if word[-1] not in ".,;:!?)":  # "what is @cat.png?" asks about cat.png
            return None
        word = word[:-1]
    return None


def open_path(text: str) -> Path:
    """The path of `~/cat.png` or `file:///home/me/my%20cat.png`."""
    if text.startswith("file://"):
        text = unquote(urlsplit(text).path)
    return user_path(text)


def is_marked_file(path: Path) -> bool:
    return has_media_suffix(path) or is_file(path)


def is_dropped_file(path: Path) -> bool:
    return has_media_suffix(path) and is_file(path)


def has_media_suffix(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def is_file(path: Path) -> bool:
    try:
        return path.exists() and not path.is_dir()
    except OSError:  # longer than a name can be
        return False

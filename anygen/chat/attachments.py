"""From a typed line to the parts of a message: text, and the files that it names."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from anygen.core.media import Part
from anygen.core.modality import TABLE
from anygen.io.media_files import read_media

SUFFIXES = frozenset(suffix for row in TABLE.values() for suffix in row.read_suffixes)
# Where a word begins: @, or none, then "a quoted path", 'one', or path\ with\ escapes.
WORD = re.compile(r"""(?<!\S)(@?)(?:"([^"]+)"|'([^']+)'|((?:\\.|[^\s\\])+))""")
ROOTED = ("/", "~/", "./", "../", "file://")  # how a path begins that is dropped on a terminal


def parse_line(line: str) -> tuple[Part, ...]:
    """Text and attached media in the order of the line. Raises MediaError.

    `@word` is a file where one exists or where it ends like one (.png). So is a path without @
    that a terminal writes when a file is dropped on it: quoted or from the root, and existing.
    """
    parts: list[Part] = []
    start = look_from = 0
    while match := WORD.search(line, look_from):
        look_from = match.start() + 1
        if found := attached_path(match):
            parts += [line[start : match.start()].strip(), read_media(found[0])]
            start = look_from = found[1]
    parts.append(line[start:].strip())
    return tuple(part for part in parts if part != "")


def begins_with_path(line: str) -> bool:
    """Whether the line is no /command: its first word is a file that was dropped."""
    match = WORD.match(line)
    return match is not None and attached_path(match) is not None


def attached_path(match: re.Match[str]) -> tuple[Path, int] | None:
    """The path of an attachment and where it ends; None for a word that is no file."""
    marked, double, single, word = match.groups()
    quoted = double or single
    names_file = is_named if marked else is_dropped
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


def open_path(written: str) -> Path:
    """The path of `~/cat.png` or `file:///home/me/my%20cat.png`."""
    if written.startswith("file://"):
        written = unquote(urlsplit(written).path)
    return Path(written).expanduser()


def is_named(path: Path) -> bool:
    return ends_like_media(path) or is_there(path)


def is_dropped(path: Path) -> bool:
    return ends_like_media(path) and is_there(path)


def ends_like_media(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def is_there(path: Path) -> bool:
    try:
        return path.exists() and not path.is_dir()
    except OSError:  # longer than a name can be
        return False

"""Splits a typed line into the parts of a message: text, and the media files that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from anygen.core.media import Part
from anygen.core.modality import TABLE
from anygen.io.media_files import MediaError, printable, read_media
from anygen.io.paths import user_path

SUFFIXES = frozenset(suffix for row in TABLE.values() for suffix in row.read_suffixes)
# Pictures, sounds and videos of other formats, which reading refuses by name.
UNREADABLE_SUFFIXES = frozenset(
    {
        *(
            ".heic",
            ".heif",
            ".svg",
            ".psd",
            ".jfif",
            ".jp2",
            ".jxl",
            ".ico",
            ".cr2",
            ".nef",
            ".dng",
        ),
        *(".aac", ".wma", ".amr", ".mid", ".midi"),
        *(".avi", ".wmv", ".flv", ".mpg", ".mpeg", ".m4v", ".3gp"),
    }
)
LONGEST_FIRST = sorted(SUFFIXES | UNREADABLE_SUFFIXES, key=len, reverse=True)
SUFFIX = re.compile("|".join(map(re.escape, LONGEST_FIRST)), re.IGNORECASE)
MAX_PATH = 4096  # characters; on no system is a path longer
MAX_ENDS = 8  # how many places are tried where a name without a suffix may end
ROOTED = ("/", "~/", "./", "../", "file://")  # terminals write dropped files like this
# An @ starts a path unless it is part of a mail address. Quotes may stand on either side of it.
WORD = re.compile(
    r"""(?P<quote>["'])@(?P<within>[^"']+)(?P=quote)
    | (?<![A-Za-z0-9._+-]) @ (?: "(?P<double>[^"]+)" | '(?P<single>[^']+)' | (?P<marked>RUN) )
    | (?<!\S) (?: "(?P<dropped>[^"]+)" | '(?P<dropped_too>[^']+)' )
    | (?<![^\s(\[{<（「《【]) (?P<bare>RUN)
    """.replace("RUN", rf"(?:\\.|[^\s\\]){{1,{MAX_PATH}}}"),
    re.VERBOSE,
)
END = re.compile(r"(?![A-Za-z0-9_/\\-]|\.\w)")  # what follows the name of a file in a sentence


def parse_line(line: str) -> tuple[Part, ...]:
    """Text and attached media, in the order of the line. Raises MediaError.

    `@word` is a file if it exists, ends like a medium (.png) or starts with one of ROOTED. Without
    @ a word is a file only if it ends like a medium; so is a quoted path that starts with one of
    ROOTED, which is how a terminal writes a dropped file. Other quoted names stay text.
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
    """Whether the first word of a line that starts with / is a file, not a command."""
    match = WORD.match(line)
    return match is not None and attached_path(match) is not None


def attached_path(match: re.Match[str]) -> tuple[Path, int] | None:
    """The path of an attachment and the index where it ends; None for an ordinary word.

    The path may not exist, which reading it reports. Raises MediaError for a web address.
    """
    if quoted := match["within"] or match["double"] or match["single"]:
        path = open_path(quoted)
        named = exists(path) or ends_like_media(path) or quoted.startswith(ROOTED)
        return (path, match.end()) if named else None
    if quoted := match["dropped"] or match["dropped_too"]:
        path = open_path(quoted)
        named = quoted.startswith(ROOTED) and ends_like_media(path)
        return (path, match.end()) if named else None
    return marked_path(match) if match["marked"] else bare_path(match)


def marked_path(match: re.Match[str]) -> tuple[Path, int] | None:
    """The path of `@cat.png`; text such as `'s` or `。` may follow it directly."""
    candidates = list(path_prefixes(match, "marked"))
    for named in (exists, ends_like_media):
        for path, end in candidates:
            if named(path):
                return path, end
    return candidates[0] if candidates and match["marked"].startswith(ROOTED) else None


def bare_path(match: re.Match[str]) -> tuple[Path, int] | None:
    """The path of `cat.png`, or of a dropped file."""
    word = match["bare"]
    candidates = [(p, end) for p, end in path_prefixes(match, "bare") if ends_like_media(p)]
    if not candidates or "@" in word:
        return None
    if "://" in word and not word.startswith("file://"):
        raise MediaError(f"{printable(word)}: web addresses are not fetched; attach a file")
    return next((found for found in candidates if exists(found[0])), candidates[0])


def path_prefixes(match: re.Match[str], group: str) -> Iterator[tuple[Path, int]]:
    """The word as a path, and its beginnings that a file's name may end at, longest first.

    Those are few, as a word may be a page of JSON: it has no spaces.
    """
    word, start = match[group], match.start(group)
    ends = {found.end() for found in SUFFIX.finditer(word) if END.match(word, found.end())}
    if group == "marked":
        ends.update(islice(filter(partial(END.match, word), range(1, len(word))), MAX_ENDS))
    for length in sorted(ends | {len(word)}, reverse=True):
        yield open_path(re.sub(r"\\(.)", r"\1", word[:length])), start + length


def open_path(text: str) -> Path:
    """The path of `~/cat.png` or `file:///home/me/my%20cat.png`."""
    if text.startswith("file://"):
        text = unquote(urlsplit(text).path)
    return user_path(text)


def ends_like_media(path: Path) -> bool:
    """Whether the suffix is that of a picture, a sound or a video, readable or not."""
    is_media = path.suffix.lower() in SUFFIXES | UNREADABLE_SUFFIXES
    return is_media and any(character.isalnum() for character in path.stem)


def exists(path: Path) -> bool:
    try:
        return path.name != "" and path.exists()
    except (OSError, ValueError):  # longer than a name can be, or with NUL
        return False

"""Media inside text: markers such as `<image>` and tags such as `<Image>a caption</Image>`.

A marker stands for the next file of its modality. A tag holds a caption, or the name of a file.
What a person has typed that looks like either is escaped by a backslash on export: `<\\image>`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from anygen.core.modality import MEDIA, MediaModality
from anygen.core.records import Content, MediaContent, TextContent

MARKER = re.compile(rf"<({'|'.join(MEDIA)})>")
TYPED = re.compile(rf"<(\\*)(/?(?:{'|'.join(MEDIA)}))>", re.IGNORECASE)
ESCAPED = re.compile(rf"<\\(\\*/?(?:{'|'.join(MEDIA)}))>", re.IGNORECASE)
NOUNS = {"image": "image", "audio": "sound", "video": "video"}


def split_markers(texts: Sequence[str], media: Sequence[MediaContent]) -> list[list[Content]]:
    """The parts of each text, with `media` at their markers: those of a modality in their order.

    A line break between a marker and the text beside it is dropped. If there are no media of a
    modality, its markers are text that a person has typed. Raises ValueError if the numbers differ.
    """
    remaining: dict[str, Iterator[MediaContent]] = {}
    for modality in MEDIA:
        files = [medium for medium in media if medium.type == modality]
        count = sum(text.count(f"<{modality}>") for text in texts)
        if files and count != len(files):
            raise ValueError(
                f"{plural(count, 'marker')}, {plural(len(files), NOUNS[modality])}: each "
                f"<{modality}> in the text stands for one"
            )
        if files:
            remaining[modality] = iter(files)
    return [split_text(text, remaining) for text in texts]


def plural(count: int, noun: str, several: str = "") -> str:
    """The count with its noun; `several` is the plural if it is not formed by an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {several or f'{noun}s'}"


def split_text(text: str, remaining: Mapping[str, Iterator[MediaContent]]) -> list[Content]:
    parts: list[Content] = []
    written = ""  # since the last medium
    for index, piece in enumerate(MARKER.split(text)):
        if index % 2 == 0:
            written += piece
        elif piece not in remaining:
            written += f"<{piece}>"
        else:
            add_text(parts, written, before_medium=True)
            parts.append(next(remaining[piece]))
            written = ""
    add_text(parts, written)
    return parts


def add_text(parts: list[Content], text: str, before_medium: bool = False) -> None:
    if parts:
        text = text.removeprefix("\n")
    if before_medium:
        text = text.removesuffix("\n")
    if text:
        parts.append(TextContent(text=unescape(text)))


def escape(text: str) -> str:
    return TYPED.sub(r"<\\\1\2>", text)


def unescape(text: str) -> str:
    return ESCAPED.sub(r"<\1>", text)


def join_markers(content: Sequence[Content], mark: Callable[[MediaContent], str]) -> str:
    """The inverse of `split_markers`; `mark` gives what stands for a medium."""
    written, leads = "", True  # whether only media have come so far
    for index, part in enumerate(content):
        follows = index > 0 and isinstance(content[index - 1], MediaContent)
        if isinstance(part, TextContent):
            written += "\n" if follows and (leads or part.text.startswith("\n")) else ""
            written += escape(part.text)
            leads = False
        else:
            written += "\n" if not follows and written.endswith("\n") else ""
            written += mark(part)
    return written


# --- tags

Resolve = Callable[[MediaModality, str], MediaContent]


def split_tags(text: str, tags: Mapping[str, MediaModality], resolve: Resolve) -> list[Content]:
    """The parts of a text, in which `resolve` makes a medium of what stands in each tag.

    Raises ValueError for a tag that is nested or not closed.
    """
    parts: list[Content] = []
    opened, written = "", ""
    for index, piece in enumerate(re.split(rf"(</?(?:{'|'.join(tags)})>)", text)):
        if index % 2 == 0:
            written += piece
        elif not piece.startswith("</"):
            if opened:
                raise ValueError(f"{piece} stands inside <{opened}>")
            add_tagless(parts, written)
            opened, written = piece[1:-1], ""
        elif opened != piece[2:-1]:
            raise ValueError(f"{piece} closes nothing")
        else:
            if not written.strip():
                raise ValueError(f"<{opened}> holds no caption")
            parts.append(resolve(tags[opened], written.strip()))
            opened, written = "", ""
    if opened:
        raise ValueError(f"<{opened}> is not closed")
    add_tagless(parts, written)
    return parts


def add_tagless(parts: list[Content], text: str) -> None:
    if text.strip():
        parts.append(TextContent(text=text))

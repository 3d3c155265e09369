"""A page on which a person keeps, drops or mends dialogues; it needs no network and no server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anygen.core.records import MediaContent, Record, TextContent
from anygen.core.text import to_json
from anygen.io.media_files import printable, read_media
from anygen.reports.page import Shown, write_page
from anygen.training.data.files import RecordFile
from anygen.training.data.order import permuted
from anygen.training.data.preview import shown_medium
from anygen.training.data.sources import DataFile
from mosit_data.build.decisions import decisions_path, read_decisions, sha256_of
from mosit_data.formats.tables.records import write as record_row
from mosit_data.world.render import render
from mosit_data.world.scene import parse_scene


@dataclass(frozen=True)
class ReviewedPart:
    """A text to edit, or a medium with the caption that its decoder learns from."""

    key: str  # its place in the record: message/part/field
    text: str = ""
    medium: Shown | None = None
    fault: str = ""  # of a medium that cannot be read


@dataclass(frozen=True)
class ReviewedRow:
    number: int
    id: str
    messages: list[tuple[str, list[ReviewedPart]]]  # role, parts


def write_review(file: DataFile, count: int, seed: int, out: Path) -> tuple[Path, int]:
    """Writes a page of `count` random dialogues without a decision; returns `out` and their number.

    Decisions that exist already stay in the file that the page saves. Raises ValueError for a line
    that is no record and for archives, OSError.
    """
    if not isinstance(file, RecordFile):
        raise ValueError(f"{printable(file.path)}: only .jsonl files are reviewed")
    path = file.path
    decided = read_decisions(decisions_path(path))
    order = (permuted(number, len(file), f"{seed}/review") for number in range(len(file)))
    chosen: list[tuple[int, Record]] = []
    for row in order:
        record = file.read(row)
        if (record.id, sha256_of(record)) not in decided:
            chosen.append((row, record))
        if len(chosen) == count:
            break
    chosen.sort(key=lambda pair: pair[0])
    data: dict[str, Any] = {
        "name": decisions_path(path).name,
        "earlier": [to_json(d.model_dump(exclude_none=True)) for d in decided.values()],
        "rows": [
            {"id": record.id, "sha256": sha256_of(record), "record": record_row(record)}
            for _, record in chosen
        ],
    }
    rows = [
        ReviewedRow(number, record.id, list(messages_of(record, path.parent)))
        for number, (_, record) in enumerate(chosen)
    ]
    values = {"file": path.name, "rows": rows, "total": len(file), "data": data}
    return write_page(out, "review.html", values), len(rows)


def messages_of(record: Record, folder: Path) -> Iterator[tuple[str, list[ReviewedPart]]]:
    for number, message in enumerate(record.messages):
        parts = []
        for place, part in enumerate(message.content):
            key = f"{number}/{place}"
            if isinstance(part, TextContent):
                parts.append(ReviewedPart(f"{key}/text", part.text))
            else:
                parts.append(medium_part(part, key, folder))
        yield message.role, parts


def medium_part(part: MediaContent, key: str, folder: Path) -> ReviewedPart:
    caption = part.caption or ""
    key = f"{key}/caption" if part.caption else ""
    try:
        if part.path is not None:
            medium = read_media(folder / part.path)
        elif part.scene is not None:
            medium = render(parse_scene(part.scene))
        else:
            name = f"the {part.type} before" if part.ref else f"{part.type} without a file"
            return ReviewedPart(key, caption, fault=name)
        return ReviewedPart(key, caption, shown_medium(medium, part.path or part.type))
    except (ValueError, OSError) as error:
        return ReviewedPart(key, caption, fault=str(error))

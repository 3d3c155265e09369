"""Our own records, to write them in another layout; paths of media are relative to their file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from pydantic import ValidationError

from anygen.core.records import Content, Record, TextContent
from anygen.core.schema import explain
from mosit_data.formats.media_folder import MediaFolder
from mosit_data.formats.rows import Kept, Refusal, read_lines


def read(path: Path, media: MediaFolder) -> Iterator[Kept | Refusal]:
    for raw in read_lines(path):
        try:
            if raw.error:
                raise ValueError(raw.error)
            record = Record.model_validate({"id": raw.name, **raw.data})
        except (ValidationError, ValueError) as error:
            yield Refusal(raw.place, raw.name, explain(error).splitlines()[0])
            continue
        messages = [
            message.model_copy(
                update={"content": [moved(part, path.parent, media) for part in message.content]}
            )
            for message in record.messages
        ]
        yield Kept(raw.place, record.model_copy(update={"messages": messages}))


def moved(part: Content, folder: Path, media: MediaFolder) -> Content:
    """The part with a path that is relative to the folder of the output."""
    if isinstance(part, TextContent) or part.path is None or PurePath(part.path).is_absolute():
        return part
    return part.model_copy(update={"path": media.relative(folder / part.path)})


def write(record: Record) -> dict[str, Any]:
    exclude = None if record.options else {"options"}
    return record.model_dump(mode="json", exclude_none=True, exclude=exclude)

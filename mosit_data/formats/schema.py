"""What rows of foreign layouts have in common: a pydantic model each, checked once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from anygen.core.modality import MediaModality, Modality
from anygen.core.record_faults import faults_of
from anygen.core.records import Content, MediaContent, Record, RecordMessage, TextContent
from anygen.core.schema import explain
from mosit_data.formats.media_folder import MediaFolder
from mosit_data.formats.rows import Kept, RawRow, Refusal, read_rows


def as_text(value: Any) -> Any:
    """Ids may be whole numbers, or null."""
    if value is None:
        return ""
    return str(value) if type(value) is int else value


def as_list(value: Any) -> Any:
    """One file may stand for a list of one, and null for none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


Id = Annotated[str, BeforeValidator(as_text)]
Files = Annotated[list[Any], BeforeValidator(as_list)]  # names, data URIs or dicts with bytes
Texts = Annotated[list[str], BeforeValidator(as_list)]


class Row(BaseModel):
    """A row of a layout. Columns that it does not name are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Id = ""

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        """Raises ValueError, in one sentence, if a record cannot hold the row."""
        raise NotImplementedError

    @property
    def modalities(self) -> list[Modality] | None:
        """What the answer may contain, if the layout limits it."""
        return None


Reader = Callable[[Path, MediaFolder], Iterator[Kept | Refusal]]
Parse = Callable[[dict[str, Any]], Row]


def reader(
    parse: Parse, rows: Callable[[Path, MediaFolder], Iterator[RawRow]] | None = None
) -> Reader:
    """A reader of files whose rows `parse` understands, such as the `model_validate` of a Row."""

    def read(path: Path, media: MediaFolder) -> Iterator[Kept | Refusal]:
        for raw in rows(path, media) if rows else read_rows(path):
            yield convert_row(raw, parse, media)

    return read


def convert_row(raw: RawRow, parse: Parse, media: MediaFolder) -> Kept | Refusal:
    own = as_text(raw.data.get("id"))
    name = own if isinstance(own, str) and own else raw.name
    try:
        if raw.error:
            raise ValueError(raw.error)
        row = parse(raw.data)
        name = row.id or name
        record = Record(id=name, messages=row.to_messages(media), modalities=row.modalities)
        check(record)
    except ValueError as error:
        first, *others = explain(error).splitlines()
        more = f" (and {len(others)} more)" if others else ""
        return Refusal(raw.place, name, first + more)
    return Kept(raw.place, record)


def check(record: Record) -> None:
    """Raises ValueError if nothing can be learned from the record."""
    for fault in faults_of(record):
        raise ValueError(fault)


# --- messages that many layouts come to


def exchange(question: list[Content], answer: list[Content]) -> list[RecordMessage]:
    """A question and its answer."""
    return [
        RecordMessage(role="user", content=question),
        RecordMessage(role="assistant", content=answer),
    ]


def document(content: list[Content]) -> list[RecordMessage]:
    """Text and media to read on, without a question."""
    return [RecordMessage(role="assistant", content=content)]


def captioned(medium: MediaContent) -> list[RecordMessage]:
    """A user asks for what the caption says, and the assistant answers with the medium."""
    return exchange([TextContent(text=medium.caption or "")], [medium])


def text(value: str) -> list[Content]:
    return [TextContent(text=value)] if value.strip() else []


def files(columns: Mapping[MediaModality, list[Any]], media: MediaFolder) -> list[MediaContent]:
    """The media of the columns, in the order of the mapping."""
    return [
        media.medium(modality, value) for modality, values in columns.items() for value in values
    ]

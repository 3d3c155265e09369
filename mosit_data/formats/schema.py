"""What rows of foreign layouts have in common: a pydantic model each, checked once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

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


# Of a column of media, such as `img`, `image_0` or `video_file_names`; `image_id` has none.
MEDIA_NAME = re.compile(
    r"(image|img|picture|video|audio|media)s?"
    r"([_-]?(str|path|file([_-]?name)?|name|list|url|base64|b64|bytes|data)s?)?([_-]?\d+)?",
    re.IGNORECASE,
)


class Row(BaseModel):
    """A row of a layout. What else it holds is not read, and named once it has been converted."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: Id = ""

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        """Raises ValueError, in one sentence, if a record cannot hold the row."""
        raise NotImplementedError

    @property
    def modalities(self) -> list[Modality] | None:
        """What the answer may contain, if the layout limits it."""
        return None

    def with_unread(self, columns: Mapping[str, Any]) -> Self:
        """The row, if it is part of one that has these columns besides."""
        row = self.model_copy()
        assert row.model_extra is not None
        row.model_extra.update(columns)
        return row

    def unread(self) -> tuple[str, ...]:
        """The names of what is not read, each once.

        Raises ValueError for one that is named as a column of media is: it would be lost.
        """
        named = {name: value for name, value in extras(self) if value not in (None, "", [], {})}
        for name, value in named.items():
            if MEDIA_NAME.fullmatch(name) and may_be_medium(value):
                raise ValueError(
                    f"{name!r} is not read by this layout, and a medium would be lost; rename or "
                    "remove it"
                )
        return tuple(named)


def extras(model: BaseModel) -> Iterator[tuple[str, Any]]:
    """What a row and its turns hold beside their fields."""
    yield from (model.model_extra or {}).items()
    for name in type(model).model_fields:
        value = getattr(model, name)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, BaseModel):
                yield from extras(item)


def may_be_medium(value: Any) -> bool:
    """Whether a name, bytes or base64 may stand there, and not a size or a number of frames."""
    return any(map(may_be_medium, value)) if isinstance(value, list) else type(value) in HOLDERS


HOLDERS = (str, bytes, dict)
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
        unread = row.unread()
    except ValueError as error:
        first, *others = explain(error).splitlines()
        more = f" (and {len(others)} more)" if others else ""
        return Refusal(raw.place, name, first + more)
    return Kept(raw.place, record, unread)


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

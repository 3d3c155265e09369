"""MiniGPT-4's second stage: pictures with a long description, `image/12.jpg` for the id 12.

    {"annotations": [{"image_id": "12", "caption": "A wide view of a harbour."}]}

The layout has no questions; one of a few wordings is drawn from the id.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

from pydantic import Field

from anygen.core.records import RecordMessage, TextContent
from mosit_data.formats.media_folder import MediaFolder
from mosit_data.formats.rows import RawRow, read_json
from mosit_data.formats.schema import Id, Row, exchange, reader, text

QUESTIONS = (
    "Describe this picture in detail.",
    "What can be seen in this image?",
    "Tell me everything you notice in this photo.",
    "Please give a full description of the picture.",
)


class Minigpt4Row(Row):
    id: Id = Field(validation_alias="image_id")
    caption: str

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        question = QUESTIONS[crc32(self.id.encode(errors="replace")) % len(QUESTIONS)]
        picture = media.medium("image", f"image/{self.id}.jpg")
        return exchange([picture, TextContent(text=question)], text(self.caption))


def rows(path: Path, media: MediaFolder) -> Iterator[RawRow]:
    return read_json(path, key="annotations")


read = reader(Minigpt4Row.model_validate, rows)

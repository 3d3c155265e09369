"""M3IT: pictures as base64 text in the rows of JSON lines.

{"instruction": "Describe the picture.", "inputs": "", "image_base64_str": ["/9j/..."],
 "outputs": "A blue van."}
"""

from __future__ import annotations

from pydantic import AliasChoices, Field

from anygen.core.records import Content, MediaContent, RecordMessage
from mosit_data.formats.media_folder import MediaFolder, decode_base64
from mosit_data.formats.schema import Row, Texts, exchange, text


class M3itRow(Row):
    instruction: str
    inputs: str | None = None
    outputs: str
    images: Texts = Field([], validation_alias=AliasChoices("image_base64_str", "img_str"))

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        pictures: list[Content] = [
            MediaContent(type="image", path=media.store(decode_base64(image)))
            for image in self.images
        ]
        question = "\n".join(filter(None, (self.instruction, self.inputs)))
        return exchange([*pictures, *text(question)], text(self.outputs))

"""Multimodal C4: sentences, and pictures that are each assigned to one of them.

    {"text_list": ["Mix.", "Bake."], "url": "https://...", "image_info": [
      {"image_name": "a.jpg", "matched_text_index": 1, "matched_sim": 0.31}]}

A picture follows its sentence, which is also its caption, as the layout has no other.
"""

from __future__ import annotations

from pydantic import BaseModel, NonNegativeInt

from anygen.core.records import Content, RecordMessage, TextContent
from mosit_data.formats.media_folder import MediaFolder
from mosit_data.formats.schema import Row, document


class MatchedImage(BaseModel):
    image_name: str
    matched_text_index: NonNegativeInt


class Mmc4Row(Row):
    text_list: list[str]
    image_info: list[MatchedImage] = []

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        for image in self.image_info:
            if image.matched_text_index >= len(self.text_list):
                raise ValueError(f"{image.image_name}: no sentence {image.matched_text_index}")
        content: list[Content] = []
        for index, sentence in enumerate(self.text_list):
            content.append(TextContent(text=sentence))
            content += [
                media.medium("image", image.image_name, sentence)
                for image in self.image_info
                if image.matched_text_index == index
            ]
        return document(content)

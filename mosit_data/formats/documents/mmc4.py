"""Multimodal C4: sentences, and pictures that are each assigned to one of them.

    {"text_list": ["Mix.", "Bake."], "url": "https://...", "image_info": [
      {"image_name": "a.jpg", "matched_text_index": 1, "matched_sim": 0.31}]}

A picture follows its sentence, which is also its caption, as the layout has no other. Sentences
between pictures are one text. An `instruction`, as in DreamLLM's instruct rows, is a user's turn.
"""

from __future__ import annotations

from pydantic import BaseModel, NonNegativeInt

from anygen.core.records import Content, RecordMessage
from mosit_data.formats.media_folder import MediaFolder
from mosit_data.formats.schema import Row, document, exchange, text


class MatchedImage(BaseModel):
    image_name: str
    matched_text_index: NonNegativeInt


class Mmc4Row(Row):
    text_list: list[str]
    image_info: list[MatchedImage] = []
    instruction: str = ""

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        for image in self.image_info:
            if image.matched_text_index >= len(self.text_list):
                raise ValueError(f"{image.image_name}: no sentence {image.matched_text_index}")
        content: list[Content] = []
        sentences: list[str] = []
        for index, sentence in enumerate(self.text_list):
            sentences.append(sentence)
            images = [i.image_name for i in self.image_info if i.matched_text_index == index]
            if images:
                content += text(" ".join(sentences))
                content += [media.medium("image", name, sentence) for name in images]
                sentences = []
        content += text(" ".join(sentences))
        if self.instruction.strip():
            return exchange(text(self.instruction), content)
        return document(content)

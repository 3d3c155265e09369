"""Spider: an answer with tags, each of which holds the caption of a medium.

    {"Question": "Show Kyoto", "TaskPrompt": "[SMARTMULTIMODAL]",
     "Answer": "Here: <IMAGE>a gate<IMAGE-Placeholder></IMAGE>"}

The task prompt limits the modalities of the answer.
"""

from __future__ import annotations

import re

from pydantic import Field

from anygen.core.modality import MEDIA, MediaModality, Modality
from anygen.core.records import MediaContent, RecordMessage
from mosit_data.formats.markers import split_tags
from mosit_data.formats.media_folder import MediaFolder
from mosit_data.formats.schema import Row, exchange, text

TAGS = {modality.upper(): modality for modality in MEDIA}
OTHER_TAG = re.compile(r"</?(MASK|BOX)>")
PLACEHOLDER = re.compile(r"<[A-Z]+-Placeholder>")
PROMPTS = {f"[{modality.upper()}]": modality for modality in MEDIA}


class SpiderRow(Row):
    question: str = Field(validation_alias="Question")
    task_prompt: str = Field("", validation_alias="TaskPrompt")
    answer: str = Field(validation_alias="Answer")

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        if other := OTHER_TAG.search(self.answer):
            raise ValueError(f"{other[0]} is no picture, sound or video")
        answer = split_tags(PLACEHOLDER.sub("", self.answer), TAGS, caption_only)
        for part in answer:
            if self.modalities and part.type not in self.modalities:
                raise ValueError(
                    f"{self.task_prompt.strip()} limits the answer, which has {part.type}"
                )
        return exchange(text(self.question), answer)

    @property
    def modalities(self) -> list[Modality] | None:
        modality = PROMPTS.get(self.task_prompt.strip())
        return ["text", modality] if modality else None


def caption_only(modality: MediaModality, caption: str) -> MediaContent:
    return MediaContent(type=modality, caption=caption)

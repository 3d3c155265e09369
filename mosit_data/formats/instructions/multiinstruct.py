"""MultiInstruct: tasks on one picture, with the options written into the prompt.

{"unique_id": "u1", "task_name": "GC_selection", "image_path": "a.jpg",
 "prompt": "Which text fits?\\n\\n[Options]: a bed||||a dog", "target": "a dog"}
"""

from __future__ import annotations

from pydantic import AliasChoices, Field

from anygen.core.records import RecordMessage
from mosit_data.formats.media_folder import MediaFolder
from mosit_data.formats.schema import Id, Row, exchange, text


class MultiinstructRow(Row):
    id: Id = Field("", validation_alias=AliasChoices("unique_id", "id"))
    image_path: str
    prompt: str
    target: str

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        picture = media.medium("image", self.image_path)
        return exchange([picture, *text(self.prompt)], text(self.target))

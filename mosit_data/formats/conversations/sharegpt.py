"""ShareGPT: dialogues of text, and LLaMA-Factory's columns for media.

{"id": "s1", "system": "Be brief.", "conversations": [
  {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]}
"""

from __future__ import annotations

from pydantic import AliasChoices, Field

from anygen.core.records import RecordMessage
from mosit_data.formats.conversations.turns import MediaRow, Turn, messages_of, role_of
from mosit_data.formats.media_folder import MediaFolder


class SharegptRow(MediaRow):
    conversations: list[Turn] = Field(validation_alias=AliasChoices("conversations", "messages"))

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        turns = [(role_of(turn.role), turn.text) for turn in self.conversations]
        return messages_of(self.with_system(turns), self.listed(media))

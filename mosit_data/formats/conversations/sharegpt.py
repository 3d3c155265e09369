"""ShareGPT: dialogues of text, and LLaMA-Factory's columns for media.

{"id": "s1", "system": "Be brief.", "conversations": [
  {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]}
"""

from __future__ import annotations

from pydantic import AliasChoices, Field

from anygen.core.media import Role
from anygen.core.records import RecordMessage
from mosit_data.formats.conversations.turns import MediaRow, Turn, messages_of, role_of
from mosit_data.formats.media_folder import MediaFolder


class SharegptRow(MediaRow):
    conversations: list[Turn] = Field(validation_alias=AliasChoices("conversations", "messages"))
    system: str | None = None

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        first: list[tuple[Role, str]] = [("system", self.system)] if self.system else []
        turns = [(role_of(turn.role), turn.text) for turn in self.conversations]
        return messages_of([*first, *turns], self.listed(media))

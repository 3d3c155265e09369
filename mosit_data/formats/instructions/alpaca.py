"""Alpaca: an instruction, an input that may be empty, and an output.

    {"instruction": "Translate.", "input": "Guten Tag", "output": "Good day",
     "history": [["Hi", "Hello"]]}

LLaMA-Factory adds `system`, `history` and columns for media, with markers in the texts.
"""

from __future__ import annotations

from anygen.core.media import Role
from anygen.core.records import RecordMessage
from mosit_data.formats.conversations.turns import MediaRow, messages_of
from mosit_data.formats.media_folder import MediaFolder


class AlpacaRow(MediaRow):
    instruction: str
    input: str | None = None
    output: str
    history: list[tuple[str, str]] | None = None

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        question = "\n".join(filter(None, (self.instruction, self.input)))
        turns: list[tuple[Role, str]] = []
        for user, assistant in (*(self.history or ()), (question, self.output)):
            turns += [("user", user), ("assistant", assistant)]
        return messages_of(self.with_system(turns), self.listed(media))

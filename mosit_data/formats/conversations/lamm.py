"""LAMM: LLaVA's turns without markers; the picture stands before the first question.

{"id": "1", "image": "coco/1.jpg", "task_type": "normal", "conversations": [
  {"from": "human", "value": "Name it."}, {"from": "gpt", "value": "A kite."}]}
"""

from __future__ import annotations

from typing import Any

from anygen.core.records import RecordMessage
from mosit_data.formats.conversations.turns import MediaRow, Turn, messages_of, role_of
from mosit_data.formats.media_folder import MediaFolder


class LammRow(MediaRow):
    conversations: list[Turn]
    pcl: Any = None

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        if self.pcl is not None:
            raise ValueError("a point cloud ('pcl') is no picture, sound or video")
        turns = [(role_of(turn.role), turn.text) for turn in self.conversations]
        listed = self.listed(media)
        if turns and not any(f"<{medium.type}>" in text for medium in listed for _, text in turns):
            (role, first), *others = turns
            turns = [(role, "".join(f"<{m.type}>" for m in listed) + f"\n{first}"), *others]
        return messages_of(self.with_system(turns), listed)

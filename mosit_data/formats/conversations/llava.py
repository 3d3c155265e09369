"""LLaVA-Instruct, and what follows its layout: LVIS-Instruct4V, ShareGPT4V, Valley.

    {"id": "k1", "image": "part/k1.jpg", "conversations": [
      {"from": "human", "value": "<image>\\nHow many kites are up?"},
      {"from": "gpt", "value": "Two, both red."}]}

Valley names a `video` and a folder, `source`; it leaves out the suffix `.mp4`.
"""

from __future__ import annotations

from typing import Any

from pydantic import field_validator, model_validator

from anygen.core.records import Record, RecordMessage
from mosit_data.formats.conversations.turns import (
    MediaRow,
    Turn,
    marked_turns,
    messages_of,
    role_of,
)
from mosit_data.formats.media_folder import MediaFolder

SPEAKERS = {"user": "human", "assistant": "gpt"}


class LlavaRow(MediaRow):
    conversations: list[Turn]

    @model_validator(mode="before")
    @classmethod
    def _prefix_folder(cls, data: Any) -> Any:
        """Valley's `source` is the folder of the row's video or image, if it names one."""
        folder = data.get("source") if isinstance(data, dict) else None
        if not isinstance(folder, str) or not folder:
            return data
        moved = {
            key: f"{folder}/{data[key]}"
            for key in ("image", "video")
            if isinstance(data.get(key), str)
        }
        others = {key: value for key, value in data.items() if key != "source" or not moved}
        return {**others, **moved}

    @field_validator("videos")
    @classmethod
    def _add_suffix(cls, videos: list[Any]) -> list[Any]:
        return [
            f"{video}.mp4"
            if isinstance(video, str) and "." not in video.rpartition("/")[2]
            else video
            for video in videos
        ]

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        turns = [(role_of(turn.role), turn.text) for turn in self.conversations]
        return messages_of(self.with_system(turns), self.listed(media))


def write(record: Record) -> dict[str, Any]:
    """Raises ValueError for a system message, which this layout has no place for."""
    turns, columns = marked_turns(record)
    if turns[0][0] == "system":
        raise ValueError("the layout has no place for a system message")
    return {
        "id": record.id,
        **{key.removesuffix("s"): v[0] if len(v) == 1 else v for key, v in columns.items()},
        "conversations": [{"from": SPEAKERS[role], "value": text} for role, text in turns],
    }

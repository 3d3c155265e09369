"""ms-swift: OpenAI's turns with markers, lists of media, and boxes that fill placeholders.

    {"messages": [{"role": "user", "content": "<image>Find <ref-object>"},
                  {"role": "assistant", "content": "<bbox>"}],
     "images": ["a.jpg"], "objects": {"ref": ["a cup"], "bbox": [[1, 2, 30, 40]]}}

A box is written as `[1, 2, 30, 40]`. Rows with `query` and `response` are read, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from anygen.core.records import Record, RecordMessage
from mosit_data.formats.conversations.turns import (
    MediaRow,
    Turn,
    marked_turns,
    messages_of,
    role_of,
)
from mosit_data.formats.markers import plural
from mosit_data.formats.media_folder import MediaFolder

PLACEHOLDER = re.compile("<(ref-object|bbox)>")


class Objects(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    ref: list[str] = []
    bbox: list[list[float]] = []


class SwiftRow(MediaRow):
    conversations: list[Turn] = Field(validation_alias=AliasChoices("messages", "conversations"))
    objects: Objects = Objects()

    @model_validator(mode="before")
    @classmethod
    def _expand_query(cls, data: Any) -> Any:
        """`query`, `response` and pairs of `history` stand for turns."""
        if not isinstance(data, dict) or "response" not in data or "messages" in data:
            return data
        earlier = data.get("history")
        pairs = [
            *(earlier if isinstance(earlier, list) else []),
            [data.get("query"), data["response"]],
        ]
        turns = [
            {"role": role, "content": text}
            for pair in pairs
            if isinstance(pair, list)
            for role, text in zip(("user", "assistant"), pair)
        ]
        others = {k: v for k, v in data.items() if k not in ("query", "response", "history")}
        return {**others, "messages": turns}

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        texts = fill([turn.text for turn in self.conversations], self.objects)
        turns = [(role_of(turn.role), text) for turn, text in zip(self.conversations, texts)]
        return messages_of(self.with_system(turns), self.listed(media))


def fill(texts: list[str], objects: Objects) -> list[str]:
    """The texts with names and boxes at their placeholders. Raises ValueError."""
    values = {"ref-object": objects.ref, "bbox": [box_text(box) for box in objects.bbox]}
    remaining: dict[str, Iterator[str]] = {}
    for name, found in values.items():
        count = sum(text.count(f"<{name}>") for text in texts)
        if found and count != len(found):
            raise ValueError(
                f"{plural(count, 'placeholder')} <{name}>, {plural(len(found), 'value')}"
            )
        if found:
            remaining[name] = iter(found)

    def value_of(match: re.Match[str]) -> str:
        return next(remaining[match[1]]) if match[1] in remaining else match[0]

    return [PLACEHOLDER.sub(value_of, text) for text in texts]


def box_text(box: list[float]) -> str:
    return f"[{', '.join(f'{value:g}' for value in box)}]"


def write(record: Record) -> dict[str, Any]:
    turns, columns = marked_turns(record)
    messages = [{"role": role, "content": text} for role, text in turns]
    return {"id": record.id, "messages": messages, **columns}

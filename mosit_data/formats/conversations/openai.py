"""Chat messages as OpenAI's API takes them; a content is a text or a list of parts.

    {"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "k1.jpg"}},
        {"type": "text", "text": "How many?"}]},
      {"role": "assistant", "content": "Two."}]}

Videos and sounds stand under `video_url` and `audio_url`, as vLLM takes them; sounds also under
`input_audio`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from anygen.core.modality import MEDIA, MediaModality
from anygen.core.records import Content, MediaContent, Record, RecordMessage, TextContent
from mosit_data.formats.conversations.turns import role_of, tagged
from mosit_data.formats.media_folder import MediaFolder, decode_base64
from mosit_data.formats.schema import Row

TYPES: dict[str, MediaModality] = {
    f"{modality}{end}": modality for modality in MEDIA for end in ("_url", "")
}


class Message(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    role: str
    content: str | list[dict[str, Any]]


class OpenaiRow(Row):
    messages: list[Message]

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        return [
            RecordMessage(role=role_of(message.role), content=parts(message.content, media))
            for message in self.messages
        ]


def parts(content: str | list[dict[str, Any]], media: MediaFolder) -> list[Content]:
    if isinstance(content, str):
        return [TextContent(text=content)]
    return [part_of(part, media) for part in content]


def part_of(part: dict[str, Any], media: MediaFolder) -> Content:
    """Raises ValueError."""
    kind = part.get("type")
    value = part.get(str(kind))
    if kind == "text" and isinstance(value, str):
        return TextContent(text=value)
    if kind == "input_audio" and isinstance(value, dict) and isinstance(value.get("data"), str):
        return MediaContent(type="audio", path=media.store(decode_base64(value["data"])))
    if kind in TYPES:
        address = value.get("url") if isinstance(value, dict) and "url" in value else value
        return media.medium(TYPES[kind], address)
    raise ValueError(f"no part of the type {kind!r}; there are text, {', '.join(TYPES)}")


def write(record: Record) -> dict[str, Any]:
    """Raises ValueError for a medium of the user that has no file."""
    return {
        "id": record.id,
        "messages": [
            {"role": message.role, "content": content_of(message)} for message in record.messages
        ],
    }


def content_of(message: RecordMessage) -> str | list[dict[str, Any]]:
    if message.role == "assistant" or all(isinstance(p, TextContent) for p in message.content):
        return "".join(
            part.text if isinstance(part, TextContent) else tagged(part) for part in message.content
        )
    return [written(part) for part in message.content]


def written(part: Content) -> dict[str, Any]:
    if isinstance(part, TextContent):
        return {"type": "text", "text": part.text}
    if part.path is None:
        raise ValueError(f"the {part.type} has no file, and this layout holds only files")
    kind = f"{part.type}_url"
    return {"type": kind, kind: {"url": part.path}}

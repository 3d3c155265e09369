"""Dialogues whose turns have a role and a text with markers for media."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from anygen.core.media import Role
from anygen.core.records import MediaContent, Record, RecordMessage
from mosit_data.formats.markers import join_markers, split_markers
from mosit_data.formats.media_folder import MediaFolder
from mosit_data.formats.schema import Files, Row, files

ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "bot", "model"), "assistant"),
}


class Turn(BaseModel):
    """The keys of ShareGPT or those of OpenAI."""

    model_config = ConfigDict(extra="allow", frozen=True)

    role: str = Field(validation_alias=AliasChoices("from", "role"))
    text: str = Field(validation_alias=AliasChoices("value", "content"))


class MediaRow(Row):
    """A row that lists the media of all of its texts, those of a modality in their order.

    A system message may stand beside the turns.
    """

    system: str | None = None

    images: Annotated[Files, Field(validation_alias=AliasChoices("images", "image"))] = []
    videos: Annotated[Files, Field(validation_alias=AliasChoices("videos", "video"))] = []
    audios: Annotated[Files, Field(validation_alias=AliasChoices("audios", "audio"))] = []

    def listed(self, folder: MediaFolder) -> list[MediaContent]:
        columns: Any = {"image": self.images, "video": self.videos, "audio": self.audios}
        return files(columns, folder)

    def with_system(self, turns: Sequence[tuple[Role, str]]) -> list[tuple[Role, str]]:
        return [("system", self.system), *turns] if self.system else [*turns]


def role_of(name: str) -> Role:
    """Raises ValueError."""
    if name not in ROLES:
        raise ValueError(f"no role {name!r} of a user or an assistant; tools cannot be learned")
    return ROLES[name]


def messages_of(
    turns: Sequence[tuple[Role, str]], media: Sequence[MediaContent]
) -> list[RecordMessage]:
    """Messages with `media` at their markers. Raises ValueError."""
    contents = split_markers([text for _, text in turns], media)
    return [
        RecordMessage(role=role, content=content) for (role, _), content in zip(turns, contents)
    ]


# --- writing

Columns = dict[str, list[str]]


def marked_turns(record: Record) -> tuple[list[tuple[Role, str]], Columns]:
    """The texts of a record with markers, and its files in the columns `images` and so on.

    The assistant's media become `<Image>a caption</Image>`, as trainers only read media. Raises
    ValueError for a medium that has no file.
    """
    columns: Columns = {}

    def mark(medium: MediaContent) -> str:
        if medium.path is None:
            raise ValueError(f"the {medium.type} has no file, and this layout holds only files")
        columns.setdefault(f"{medium.type}s", []).append(medium.path)
        return f"<{medium.type}>"

    turns = []
    for message in record.messages:
        place = mark if message.role != "assistant" else tagged
        turns.append((message.role, join_markers(message.content, place)))
    return turns, columns


def tagged(medium: MediaContent) -> str:
    return f"<{medium.type.capitalize()}>{medium.caption or ''}</{medium.type.capitalize()}>"

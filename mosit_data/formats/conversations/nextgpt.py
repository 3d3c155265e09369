"""NExT-GPT: captioned media, instructions with media on either side, and MosIT's dialogues.

Raw dialogues are a text file; a tag holds the caption of a medium that is yet to be made:

    Human: My week was grey.
    GPT: Take this. <Image>a yellow tulip in a glass</Image>
    ---

In a row of MosIT a tag holds a name of `image_list`, `video_list` or `audio_list`, which have the
captions; what is no such name is a caption. Rows that training reads have markers and
`image_captions` instead. T-T+X rows end in one medium, whose caption stands in the turn. A medium
of the assistant whose file is missing stays as its caption: those of MosIT were never published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, Field, model_validator

from anygen.core.media import Role
from anygen.core.modality import MEDIA, MediaModality
from anygen.core.records import MediaContent, RecordMessage
from anygen.io.media_files import printable
from mosit_data.formats.conversations.turns import Turn, messages_of, role_of
from mosit_data.formats.json_stream import encoding_fault
from mosit_data.formats.markers import split_tags
from mosit_data.formats.media_folder import MediaFolder, has_media_suffix
from mosit_data.formats.rows import RawRow, damaged_row, raw_row, read_rows
from mosit_data.formats.schema import Files, Row, Texts, captioned, files, reader

TAGS: Mapping[str, MediaModality] = {modality.capitalize(): modality for modality in MEDIA}
TAG = re.compile(f"<({'|'.join(TAGS)})>")
SPEAKER = re.compile(r"(Human|GPT):\s?")
SPEAKERS = {"Human": "human", "GPT": "gpt"}
SEPARATOR = re.compile(r"-{3,}")
# Columns that there are once for each modality, and the fields that collect them.
COLUMNS = {
    "names": "{}_name",
    "inputs": "input_{}",
    "outputs": "output_{}",
    "captions": "{}_captions",
    "listed": "{}_list",
}


class NamedMedium(BaseModel):
    name: str = Field(validation_alias=AliasChoices(*(f"{modality}_name" for modality in MEDIA)))
    caption: str | None = None


class NextgptTurn(Turn):
    caption: str | None = None
    output_modality: str | None = None


class NextgptRow(Row):
    conversations: list[NextgptTurn] = Field(
        [], validation_alias=AliasChoices("conversations", "conversation")
    )
    caption: str | None = None
    names: dict[MediaModality, str] = {}
    inputs: dict[MediaModality, Files] = {}
    outputs: dict[MediaModality, Files] = {}
    captions: dict[MediaModality, Texts] = {}
    listed: dict[MediaModality, list[NamedMedium]] = {}

    @model_validator(mode="before")
    @classmethod
    def _collect(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        collected = {
            field: {
                modality: data[column.format(modality)]
                for modality in MEDIA
                if data.get(column.format(modality)) is not None
            }
            for field, column in COLUMNS.items()
        }
        read = {column.format(modality) for column in COLUMNS.values() for modality in MEDIA}
        return {**{k: v for k, v in data.items() if k not in read}, **collected}

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        if not self.conversations:
            return self.pair(media)
        turns = [(role_of(turn.role), turn.text) for turn in self.conversations]
        if any(TAG.search(text) for _, text in turns):
            messages = [self.tagged_message(role, text, media) for role, text in turns]
        else:
            messages = messages_of(turns, [*files(self.inputs, media), *self.generated(media)])
        return [
            self.with_last_medium(message, turn, media)
            for message, turn in zip(messages, self.conversations)
        ]

    def pair(self, media: MediaFolder) -> list[RecordMessage]:
        """Of a row such as `{"image_name": "1.jpg", "caption": "a kite"}`."""
        if not self.caption or not self.names:
            raise ValueError("the row has neither turns nor a medium with a 'caption'")
        [(modality, name), *_] = self.names.items()
        return captioned(media.medium(modality, name, self.caption))

    def tagged_message(self, role: Role, text: str, media: MediaFolder) -> RecordMessage:
        def resolve(modality: MediaModality, text: str) -> MediaContent:
            known = {medium.name: medium for medium in self.listed.get(modality, ())}
            if text in known and role == "user":
                return media.medium(modality, text, known[text].caption)
            if text in known:
                return generated(modality, text, known[text].caption, media)
            if has_media_suffix(text):
                raise ValueError(f"{text} is not in the row's {modality}_list")
            return MediaContent(type=modality, caption=text)

        return RecordMessage(role=role, content=split_tags(text, TAGS, resolve))

    def generated(self, media: MediaFolder) -> list[MediaContent]:
        """The media of the assistant, for the markers of its turns."""
        media_of_answers: list[MediaContent] = []
        for modality, captions in self.captions.items():
            names = self.outputs.get(modality) or [""] * len(captions)
            if len(names) != len(captions):
                raise ValueError(f"{len(names)} files and {len(captions)} captions: {modality}")
            media_of_answers += [generated(modality, n, c, media) for n, c in zip(names, captions)]
        return media_of_answers

    def with_last_medium(
        self, message: RecordMessage, turn: NextgptTurn, media: MediaFolder
    ) -> RecordMessage:
        """The message with the medium whose caption stands in its turn, as in T-T+X rows."""
        modality = turn.output_modality
        if not turn.caption or modality not in MEDIA or message.role != "assistant":
            return message
        medium = generated(modality, self.names.get(modality, ""), turn.caption, media)
        return RecordMessage(role="assistant", content=[*message.content, medium])


def generated(
    modality: MediaModality, name: str, caption: str | None, media: MediaFolder
) -> MediaContent:
    """A medium of the assistant, without a path if there is no such file."""
    if name and media.has(name):
        return media.medium(modality, name, caption)
    return MediaContent(type=modality, caption=caption)


def rows(path: Path, media: MediaFolder) -> Iterator[RawRow]:
    return read_dialogues(path) if path.suffix.lower() == ".txt" else read_rows(path)


def read_dialogues(path: Path) -> Iterator[RawRow]:
    """The dialogues of a text file; a line without a speaker continues the one before it.

    Raises ValueError if the file is not UTF-8.
    """
    turns: list[dict[str, str]] = []
    start = 1
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, start=1):
                if SEPARATOR.fullmatch(line.strip()):
                    yield from dialogue(path, start, turns)
                    turns, start = [], number + 1
                elif speaker := SPEAKER.match(line):
                    start = start if turns else number
                    turns.append({"from": speaker[1], "value": line[speaker.end() :]})
                elif turns:
                    turns[-1]["value"] += line
                elif line.strip():
                    turns.append({"from": line.strip()[:40], "value": ""})
    except UnicodeDecodeError:
        raise ValueError(f"{printable(path.name)}: {encoding_fault(path)}") from None
    yield from dialogue(path, start, turns)


def dialogue(path: Path, number: int, turns: list[dict[str, str]]) -> Iterator[RawRow]:
    if turns and turns[0]["from"] not in SPEAKERS:
        yield damaged_row(path, number, "begins neither with 'Human:' nor with 'GPT:'")
    elif turns:
        conversations = [
            {"from": SPEAKERS[turn["from"]], "value": turn["value"].strip()} for turn in turns
        ]
        yield raw_row(path, number, {"conversations": conversations})


read = reader(NextgptRow.model_validate, rows)

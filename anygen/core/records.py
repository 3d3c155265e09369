"""Records: dialogues as lines of JSONL, the only data format of training.

Converters write other layouts in this format.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PositiveInt, Tag, model_validator

from anygen.core.media import Role
from anygen.core.modality import MEDIA, MediaModality, Modality
from anygen.core.schema import KIND, Strict, Text

CONTENT_ERROR = "content"  # pydantic's type of the error of a part that is neither


class TextContent(Strict):
    type: Literal["text"] = "text"
    text: Text


class MediaContent(Strict):
    """A medium: a file, a scene of the small world (`mosit_data.world`), or an earlier medium.

    `caption` is what the medium shows; a decoder's own text encoder turns it into the
    alignment target when the assistant makes this medium. A caption alone is such a medium without
    its pixels: most sets of dialogues with generated media publish no files.
    """

    type: MediaModality
    path: str | None = None
    scene: dict[str, Any] | None = None
    ref: PositiveInt | None = None  # the number of an earlier medium to edit
    strength: float | None = Field(default=None, gt=0, le=1)  # of the edit; only with `ref`
    caption: Text | None = None

    @model_validator(mode="after")
    def _check_source(self) -> MediaContent:
        sources = sum(source is not None for source in (self.path, self.scene, self.ref))
        if sources > 1 or not (sources or self.caption):
            raise ValueError(
                "a medium needs one of 'path', 'scene' and 'ref', or, if the assistant makes it, "
                "at least a 'caption'"
            )
        if self.strength is not None and self.ref is None:
            raise ValueError("'strength' says how far a 'ref' may change, and there is no 'ref'")
        return self

    @property
    def is_caption_only(self) -> bool:
        return self.path is None and self.scene is None and self.ref is None


def content_kind(value: Any) -> str | None:
    """Which of the two a part is: by its `type`, so that errors name the fields of that one."""
    if isinstance(value, Strict):  # validated before
        return f"{KIND}text" if isinstance(value, TextContent) else f"{KIND}medium"
    if not isinstance(value, dict):
        return None
    kind = value.get("type", "text")
    if kind == "text":
        return f"{KIND}text"
    return f"{KIND}medium" if kind in MEDIA else None


Content = Annotated[
    Annotated[TextContent, Tag(f"{KIND}text")] | Annotated[MediaContent, Tag(f"{KIND}medium")],
    Discriminator(
        content_kind,
        custom_error_type=CONTENT_ERROR,
        custom_error_message=(
            "should be a text or a medium, with a 'type' of 'text', 'image', 'audio' or 'video'"
        ),
    ),
]


class RecordMessage(Strict):
    role: Role
    content: list[Content]

    @model_validator(mode="before")
    @classmethod
    def _expand_text(cls, data: Any) -> Any:
        """`"content": "hi"` stands for one text part."""
        if isinstance(data, dict) and isinstance(data.get("content"), str):
            return {**data, "content": [{"type": "text", "text": data["content"]}]}
        return data

    @model_validator(mode="after")
    def _check_media(self) -> RecordMessage:
        if self.role != "assistant":
            for content in self.content:
                if isinstance(content, MediaContent) and content.is_caption_only:
                    raise ValueError(
                        f"the {content.type} is a caption only, and the {self.role} shows it; give "
                        f"it a 'path'"
                    )
        return self


class MadeBy(Strict):
    """Who wrote a dialogue: a person, an LLM or a grammar."""

    writer: str
    prompt: str | None = None  # the sha256 of the prompt that an LLM was given
    seed: int | None = None


class Record(Strict):
    """A dialogue, or a document of text and media: then one message of the assistant.

    `prompt` stands for one user message of text.
    """

    id: Text
    messages: list[RecordMessage]
    seed: int | None = None
    modalities: list[Modality] | None = None
    options: dict[str, Any] = {}  # of the answer; see anygen.generation.options.AnswerOptions
    source: Text | None = None  # the data set, or the picture, that it was made from
    licence: Text | None = None
    made_by: MadeBy | None = None

    @model_validator(mode="before")
    @classmethod
    def _expand_prompt(cls, data: Any) -> Any:
        if isinstance(data, dict) and "prompt" in data and "messages" not in data:
            turn = {"role": "user", "content": data["prompt"]}
            return {**{k: v for k, v in data.items() if k != "prompt"}, "messages": [turn]}
        return data


def media_of_record(record: Record) -> Iterator[tuple[Role, MediaContent]]:
    """All media in the dialogue, in order, each with the role whose turn it stands in."""
    for message in record.messages:
        for content in message.content:
            if isinstance(content, MediaContent):
                yield message.role, content


def captions_of(record: Record) -> list[str]:
    """The captions of all media in the dialogue, in order."""
    media = (medium for _, medium in media_of_record(record))
    return [medium.caption for medium in media if medium.caption is not None]

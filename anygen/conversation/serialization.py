"""A conversation as data: what a transcript, and the metadata of a made file, say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from anygen.conversation.history import Turn
from anygen.core.media import Media, Message, Part, Role
from anygen.core.modality import MediaModality
from anygen.core.records import TextContent
from anygen.core.schema import Strict
from anygen.core.version import __version__
from anygen.generation.answer import MediaInfo
from anygen.generation.events import FinishReason
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request


class SavedMedium(Strict):
    """A file; without `path` the medium is made again from the seed of its turn."""

    type: MediaModality
    path: str | None = None
    sha256: str | None = None  # of what the file shows or plays, see `anygen.core.content_hash`
    source: str | None = None  # the file that `path` is an exact copy of
    ref: PositiveInt | None = None  # the number of an earlier medium: this one is the same again


SavedPart = Annotated[TextContent | SavedMedium, Field(discriminator="type")]


class SavedMessage(Strict):
    role: Role
    content: list[SavedPart]


class SavedTurn(Strict):
    """A question, all that its answer depends on, and the answer."""

    question: list[SavedPart]
    answer: list[SavedPart]
    made: list[MediaInfo] = []  # of each medium in the answer
    seed: int
    options: AnswerOptions = AnswerOptions()
    finish: FinishReason | None = None

    @model_validator(mode="after")
    def _made_are_those_of_the_answer(self) -> SavedTurn:
        media = sum(isinstance(part, SavedMedium) for part in self.answer)
        if media != len(self.made):
            raise ValueError(f"made: {len(self.made)} rows for {media} media of the answer")
        return self

    def request(self, before: Sequence[Message], question: Message) -> Request:
        """The request of this turn, after the messages that came before."""
        return Request((*before, question), self.seed, self.options)


class Saved(Strict):
    """The conversation of one model."""

    anygen: str = __version__
    model: str
    weights: str  # SHA-256 of the model's file
    given: list[SavedMessage] = []  # what stands before the first turn, as a system prompt
    turns: list[SavedTurn]


SaveMedium = Callable[[Media], SavedMedium]
OpenMedium = Callable[[SavedMedium], Media]


def save_messages(messages: Iterable[Message], medium: SaveMedium) -> list[SavedMessage]:
    return [
        SavedMessage(role=message.role, content=save_parts(message.parts, medium))
        for message in messages
    ]


def save_turn(turn: Turn, asked: SaveMedium, made: SaveMedium) -> SavedTurn:
    """`asked` saves the media of the question, `made` those of the answer."""
    return SavedTurn(
        question=save_parts(turn.question.parts, asked),
        answer=save_parts(turn.answer.parts, made),
        made=list(turn.made),
        seed=turn.request.seed,
        options=turn.request.options,
        finish=turn.finish,
    )


def save_parts(parts: Iterable[Part], medium: SaveMedium) -> list[SavedPart]:
    return [TextContent(text=part) if isinstance(part, str) else medium(part) for part in parts]


def open_parts(saved: Iterable[SavedPart], medium: OpenMedium) -> tuple[Part, ...]:
    return tuple(part.text if isinstance(part, TextContent) else medium(part) for part in saved)


def save_once(save: SaveMedium, saved: list[tuple[Media, SavedMedium]]) -> SaveMedium:
    """`save`, but a medium that stands among those that are `saved` is the same again."""

    def save_or_refer(media: Media) -> SavedMedium:
        names = (
            name.model_copy(update={"ref": number})
            for number, (other, name) in enumerate(saved, start=1)
            if other is media
        )
        name = next(names, None) or save(media)
        saved.append((media, name))
        return name

    return save_or_refer


def open_once(read: OpenMedium, opened: list[Media]) -> OpenMedium:
    """The reverse of `save_once`; `opened` are all media that came before, and this joins them."""

    def read_or_look_up(saved: SavedMedium) -> Media:
        if saved.ref is not None and saved.ref > len(opened):
            raise ValueError(
                f"ref: there is no medium {saved.ref} before the {saved.type} so named"
            )
        opened.append(read(saved) if saved.ref is None else opened[saved.ref - 1])
        return opened[-1]

    return read_or_look_up

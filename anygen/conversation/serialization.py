"""The JSON form of a conversation, which transcripts and the metadata of generated files share."""

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
    """A file; without `path` the medium is generated again from the seed of its turn."""

    type: MediaModality
    path: str | None = None
    sha256: str | None = None  # of the decoded content, see `anygen.core.content_hash`
    source: str | None = None  # the file that `path` is a lossless copy of
    ref: PositiveInt | None = None  # the number of an earlier medium that this one repeats


SavedPart = Annotated[TextContent | SavedMedium, Field(discriminator="type")]


class SavedMessage(Strict):
    role: Role
    content: list[SavedPart]


class SavedTurn(Strict):
    """A question, everything that its answer depends on, and the answer."""

    question: list[SavedPart]
    answer: list[SavedPart]
    made: list[MediaInfo] = []  # one for each medium of the answer
    seed: int
    options: AnswerOptions = AnswerOptions()
    finish: FinishReason | None = None

    @model_validator(mode="after")
    def _every_medium_of_the_answer_has_its_info(self) -> SavedTurn:
        media = sum(isinstance(part, SavedMedium) for part in self.answer)
        if media != len(self.made):
            raise ValueError(f"made: {len(self.made)} entries for {media} media of the answer")
        return self

    def request(self, before: Sequence[Message], question: Message) -> Request:
        """The request of this turn, where `before` are all earlier messages."""
        return Request((*before, question), self.seed, self.options)


class SavedConversation(Strict):
    """A conversation with one model."""

    anygen: str = __version__
    model: str
    weights: str  # SHA-256 of the model's file
    given: list[SavedMessage] = []  # messages before the first turn, such as a system prompt
    turns: list[SavedTurn]


SaveMedium = Callable[[Media], SavedMedium]
OpenMedium = Callable[[SavedMedium], Media]


def save_messages(messages: Iterable[Message], save_medium: SaveMedium) -> list[SavedMessage]:
    return [
        SavedMessage(role=message.role, content=save_parts(message.parts, save_medium))
        for message in messages
    ]


def save_turn(turn: Turn, save_attached: SaveMedium, save_generated: SaveMedium) -> SavedTurn:
    """Media of the question go through `save_attached`, those of the answer `save_generated`."""
    return SavedTurn(
        question=save_parts(turn.question.parts, save_attached),
        answer=save_parts(turn.answer.parts, save_generated),
        made=list(turn.media_info),
        seed=turn.request.seed,
        options=turn.request.options,
        finish=turn.finish,
    )


def save_parts(parts: Iterable[Part], save_medium: SaveMedium) -> list[SavedPart]:
    return [
        TextContent(text=part) if isinstance(part, str) else save_medium(part) for part in parts
    ]


def open_parts(saved: Iterable[SavedPart], open_medium: OpenMedium) -> tuple[Part, ...]:
    return tuple(
        part.text if isinstance(part, TextContent) else open_medium(part) for part in saved
    )


def save_once(save: SaveMedium, saved: list[tuple[Media, SavedMedium]]) -> SaveMedium:
    """`save` for new media; a medium that is already in `saved` becomes a `ref` to that one.

    `saved` receives every medium in reading order.
    """

    def save_or_refer(media: Media) -> SavedMedium:
        references = (
            reference.model_copy(update={"ref": number})
            for number, (other, reference) in enumerate(saved, start=1)
            if other is media
        )
        reference = next(references, None) or save(media)
        saved.append((media, reference))
        return reference

    return save_or_refer


def open_once(read: OpenMedium, opened: list[Media]) -> OpenMedium:
    """The inverse of `save_once`: a `ref` is looked up among the `opened` media, not read again.

    `opened` receives every medium in reading order. Raises ValueError for a ref to a later medium.
    """

    def read_or_look_up(saved: SavedMedium) -> Media:
        if saved.ref is not None and saved.ref > len(opened):
            raise ValueError(f"ref: no medium {saved.ref} comes before this {saved.type}")
        opened.append(read(saved) if saved.ref is None else opened[saved.ref - 1])
        return opened[-1]

    return read_or_look_up

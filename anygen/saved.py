"""A conversation as data: what a transcript, and the metadata of a made file, say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Protocol

from pydantic import Field

from anygen import __version__
from anygen.conversation import Exchange
from anygen.events import FinishReason
from anygen.media import Media, Message, Part, Role
from anygen.modality import MediaModality, Modality
from anygen.records import Strict, TextContent
from anygen.request import Request
from decoders.base import SampleOptions


class SavedMedium(Strict):
    """A file; without `path` the medium is made again from the seed of its turn."""

    type: MediaModality
    path: str | None = None
    sha256: str | None = None  # of what the file shows or plays, see `provenance.digest`
    source: str | None = None  # the file that `path` is an exact copy of


SavedPart = Annotated[TextContent | SavedMedium, Field(discriminator="type")]


class SavedMessage(Strict):
    role: Role
    content: list[SavedPart]


class SavedSettings(Strict):
    """What a question is asked with; None: the model chooses."""

    modalities: tuple[Modality, ...] | None = None
    max_new_tokens: int
    steps: int | None = None
    guidance: float | None = None

    @property
    def options(self) -> SampleOptions:
        return SampleOptions(self.steps, self.guidance)


class SavedTurn(SavedSettings):
    """A question, all that its answer depends on, and the answer."""

    question: list[SavedPart]
    answer: list[SavedPart]
    seed: int
    finish: FinishReason | None = None

    def request(self, before: Sequence[Message], question: Message) -> Request:
        """The request of this turn, after the messages that came before."""
        messages = (*before, question)
        return Request(messages, self.seed, self.modalities, self.max_new_tokens, self.options)


class Saved(Strict):
    """The conversation of one model."""

    anygen: str = __version__
    model: str
    weights: str  # SHA-256 of the model's file
    given: list[SavedMessage] = []  # what stands before the first turn, as a system prompt
    turns: list[SavedTurn]


class Settings(Protocol):
    """What a request and the settings of a chat have in common."""

    @property
    def modalities(self) -> Sequence[Modality] | None: ...
    @property
    def max_new_tokens(self) -> int: ...
    @property
    def options(self) -> SampleOptions: ...


SaveMedium = Callable[[Media], SavedMedium]


def save_messages(messages: Iterable[Message], medium: SaveMedium) -> list[SavedMessage]:
    return [
        SavedMessage(role=message.role, content=save_parts(message.parts, medium))
        for message in messages
    ]


def save_turn(turn: Exchange, asked: SaveMedium, made: SaveMedium) -> SavedTurn:
    """`asked` saves the media of the question, `made` those of the answer."""
    return SavedTurn(
        question=save_parts(turn.question.parts, asked),
        answer=save_parts(turn.answer.parts, made),
        seed=turn.request.seed,
        finish=turn.finish,
        **settings_of(turn.request),
    )


def settings_of(asked: Settings) -> dict[str, Any]:
    return {
        "modalities": asked.modalities and tuple(asked.modalities),
        "max_new_tokens": asked.max_new_tokens,
        "steps": asked.options.steps,
        "guidance": asked.options.guidance,
    }


def save_parts(parts: Iterable[Part], medium: SaveMedium) -> list[SavedPart]:
    return [TextContent(text=part) if isinstance(part, str) else medium(part) for part in parts]


def open_parts(
    saved: Iterable[SavedPart], medium: Callable[[SavedMedium], Media]
) -> tuple[Part, ...]:
    return tuple(part.text if isinstance(part, TextContent) else medium(part) for part in saved)

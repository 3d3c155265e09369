"""What an answer is asked with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from anygen.core.media import Media, Message, Part, append_text, media_of
from anygen.core.modality import MEDIA, MediaModality, Modality
from anygen.core.schema import Strict
from anygen.generation.events import (
    Done,
    Event,
    FinishReason,
    MediaDone,
    MediaFailed,
    MediaStarted,
    TextDelta,
)
from decoders.base import Cancelled, SampleOptions, never

Feedback = Literal["wait", "late", "off"]


class Edit(Strict):
    """An earlier medium that those of its modality in the answer begin with."""

    ref: PositiveInt  # its number among the media of the dialogue
    strength: float = Field(default=0.95, gt=0, le=1)  # how far they go from it


class AnswerOptions(Strict):
    """What may stand in an answer, and how its media are made. All of it is kept to, not hoped for.

    The text after a medium has seen it (`feedback: wait`), sees it from the next medium or turn on
    (`late`: text goes on while the medium is rendered), or never does (`off`).
    """

    modalities: tuple[Modality, ...] | None = None  # None: the model chooses among all
    max_new_tokens: PositiveInt = 256  # of text; media do not count
    max_media: NonNegativeInt = 8
    begin: MediaModality | None = None  # the answer begins with one of these
    exactly: dict[MediaModality, NonNegativeInt] = {}
    at_most: dict[MediaModality, NonNegativeInt] = {}
    words_between: NonNegativeInt = 0  # two media, at least
    stop: tuple[str, ...] = ()  # texts that end the answer, and are not part of it
    deadline: PositiveFloat | None = None  # seconds
    feedback: Feedback = "wait"
    media: dict[MediaModality, SampleOptions] = {}
    edit: Edit | None = None
    same_seed: bool = False  # all media of an answer begin with the same noise
    same_style: bool = False  # later media of a modality begin with the first one
    caption_fallback: bool = False  # where a condition is unusable, the text is the condition

    def most(self, modality: MediaModality) -> int:
        """How many media of a modality an answer may hold."""
        if self.modalities is not None and modality not in self.modalities:
            return 0
        limits = (self.exactly.get(modality), self.at_most.get(modality), self.max_media)
        return min(limit for limit in limits if limit is not None)

    @property
    def may_speak(self) -> bool:
        return self.modalities is None or "text" in self.modalities

    @model_validator(mode="after")
    def _can_be_met(self) -> AnswerOptions:
        if self.modalities == ():
            raise ValueError("modalities: an answer must hold something; name one or more")
        wanted = {m: n for m, n in self.exactly.items() if n}
        if self.begin and self.most(self.begin) < 1:
            raise ValueError(f"begin: no {self.begin} may be made, so an answer cannot begin so")
        for modality, count in wanted.items():
            if self.most(modality) < count:
                raise ValueError(
                    f"exactly: {count} {modality} cannot be made, where at most "
                    f"{self.most(modality)} may"
                )
        if any(not text for text in self.stop):
            raise ValueError("stop: an empty text would end every answer at once")
        if not self.may_speak and not any(map(self.most, MEDIA)):
            raise ValueError(
                f"modalities: nothing of {', '.join(self.modalities or ())} may be made, "
                "and there is no text"
            )
        return self

    @model_validator(mode="after")
    def _all_of_exactly_has_its_place(self) -> AnswerOptions:
        media = sum(self.exactly.values())
        if self.begin and not self.exactly.get(self.begin):
            media += 1
        if self.max_media < media:
            raise ValueError(
                f"max_media: {self.max_media} is less than the {media} of exactly and begin"
            )
        words = (media - 1) * self.words_between
        if words > 0 and not self.may_speak:
            raise ValueError("words_between: there are no words where modalities has no text")
        if words > self.max_new_tokens:
            raise ValueError(
                f"words_between: {media} media with {self.words_between} words between them need "
                f"{words} tokens or more, and max_new_tokens is {self.max_new_tokens}"
            )
        return self


@dataclass(frozen=True)
class Request:
    """One conversation that wants an answer."""

    messages: Sequence[Message]
    seed: int = 0
    options: AnswerOptions = AnswerOptions()

    @property
    def edited(self) -> Media | None:
        """The medium that those of the answer begin with. ValueError where there is none."""
        if self.options.edit is None:
            return None
        media, number = media_of(self.messages), self.options.edit.ref
        if number > len(media):
            raise ValueError(f"ref: there is no medium {number}; the dialogue has {len(media)}")
        return media[number - 1]


class Made(Strict):
    """What is known of a medium in an answer, beside what it shows."""

    part: NonNegativeInt  # its place among all that the answer asked for, failed ones too
    fallback: bool = False  # a plain caption was its condition: see `caption_fallback`


@dataclass(frozen=True)
class Answer:
    """What came of a request; `failed` has a sentence for each medium that could not be made."""

    message: Message
    finish: FinishReason
    failed: tuple[str, ...] = ()
    made: tuple[Made, ...] = ()  # of each medium in the message


@dataclass(frozen=True)
class Maker:
    """Which model makes something."""

    model: str  # the name of a shipped one, or a folder
    weights: str  # SHA-256 of its file


class Model(Protocol):
    """What a conversation needs of `anygen.AnyGen`."""

    @property
    def maker(self) -> Maker: ...

    def answer(self, request: Request, cancelled: Cancelled = never) -> Iterator[Event]: ...


@dataclass
class Draft:
    """An answer while it is told. A medium stands where it was asked for, whenever it is done."""

    parts: list[Part | None] = field(default_factory=list)  # None: a medium that is not there
    places: dict[int, int] = field(default_factory=dict)  # in `parts`, of media that may come
    fallbacks: set[int] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    finish: FinishReason = "cancelled"  # until another reason is told

    def add(self, event: Event) -> None:
        match event:
            case TextDelta(text):
                append_text(self.parts, text)
            case MediaStarted(part):
                self.places[part] = len(self.parts)
                self.parts.append(None)
                if event.fallback:
                    self.fallbacks.add(part)
            case MediaDone(part, media):
                self.parts[self.places[part]] = media
            case MediaFailed(part, _, error):
                del self.places[part]
                self.failed.append(error)
            case Done(reason):
                self.finish = reason

    def number(self, part: int) -> int:
        """The number of a medium in this answer, from 1, if all that are not done will be."""
        return sum(other <= part for other in self.places)

    def media(self, part: int) -> Media:
        """A medium that is done."""
        found = self.parts[self.places[part]]
        assert found is not None
        assert not isinstance(found, str)
        return found

    def give_up(self) -> list[int]:
        """No more media come; returns which were still waited for."""
        missing = [part for part in self.places if part not in self.done()]
        for part in missing:
            del self.places[part]
        return missing

    def done(self) -> list[int]:
        """The parts that are there, in their order."""
        return [part for part, place in self.places.items() if self.parts[place] is not None]

    def answer(self, last: int | None = None) -> Answer:
        """What was told so far, or of it as far as the medium `last`."""
        end = len(self.parts) if last is None else self.places[last] + 1
        said = tuple(part for part in self.parts[:end] if part is not None)
        parts = [part for part in self.done() if self.places[part] < end]
        made = tuple(Made(part=part, fallback=part in self.fallbacks) for part in parts)
        return Answer(Message("assistant", said), self.finish, tuple(self.failed), made)


def collect(events: Iterable[Event]) -> Answer:
    """The answer that a whole stream of events tells."""
    draft = Draft()
    for event in events:
        draft.add(event)
    return draft.answer()


def derive_seed(*keys: int | str) -> int:
    """A seed from (run seed, row), (run seed, turn) or (request seed, medium): 48 bits."""
    digest = hashlib.sha256("/".join(map(str, keys)).encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big")

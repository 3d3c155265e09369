"""Answers, put together from the events of a turn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import NonNegativeInt

from anygen.core.media import Media, Message, Part, append_text
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


class MediaInfo(Strict):
    """What is known of a medium in an answer, beside what it shows."""

    part: NonNegativeInt  # its place among all that the answer asked for, failed ones too
    fallback: bool = False  # a plain caption was its condition: see `caption_fallback`


@dataclass(frozen=True)
class Answer:
    """What came of a request; `failed` has a sentence for each medium that could not be made."""

    message: Message
    finish: FinishReason
    failed: tuple[str, ...] = ()
    made: tuple[MediaInfo, ...] = ()  # of each medium in the message


@dataclass
class AnswerBuilder:
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
        made = tuple(MediaInfo(part=part, fallback=part in self.fallbacks) for part in parts)
        return Answer(Message("assistant", said), self.finish, tuple(self.failed), made)


def collect(events: Iterable[Event]) -> Answer:
    """The answer that a whole stream of events tells."""
    draft = AnswerBuilder()
    for event in events:
        draft.add(event)
    return draft.answer()

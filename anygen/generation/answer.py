"""Answers, put together from the events of a turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

SENTENCE_ENDS = ".!?\n\u3002\uff01\uff1f"  # the last three are those of Chinese and Japanese


class MediaInfo(Strict):
    """What is recorded of a medium in an answer, beside its content."""

    part: NonNegativeInt  # its index among all that the answer asked for, failed ones too
    fallback: bool = False  # whether a plain caption was its condition: see `caption_fallback`


@dataclass(frozen=True)
class Answer:
    """The result of a request; `failed` holds a sentence for each medium that could not be made."""

    message: Message
    finish: FinishReason
    failed: tuple[str, ...] = ()
    media_info: tuple[MediaInfo, ...] = ()  # one for each medium in the message


@dataclass
class AnswerBuilder:
    """Collects the events of an answer; a medium has its place where it was requested."""

    parts: list[Part | None] = field(default_factory=list)  # None: a medium that has not come
    places: dict[int, int] = field(
        default_factory=dict
    )  # part -> index in `parts`, of media that came or may come
    fallbacks: set[int] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    finish: FinishReason = "cancelled"  # until `Done` gives the reason

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
                if reason == "withheld":
                    self.drop_announcement()

    def drop_announcement(self) -> None:
        """Drops the last sentence, which leads up to a medium that does not come."""
        text = self.parts.pop()
        assert isinstance(text, str)
        sentence = text.rstrip(f"{SENTENCE_ENDS} ")
        kept = text[: max(map(sentence.rfind, SENTENCE_ENDS)) + 1]
        if kept.strip():
            self.parts.append(kept)

    def number(self, part: int) -> int:
        """The number of a medium in this answer, from 1, counting those that may still come."""
        return sum(other <= part for other in self.places)

    def media(self, part: int) -> Media:
        """A medium that has come."""
        found = self.parts[self.places[part]]
        assert found is not None
        assert not isinstance(found, str)
        return found

    def give_up(self) -> list[int]:
        """Stops waiting for media; returns the parts that had not come."""
        missing = [part for part in self.places if part not in self.done()]
        for part in missing:
            del self.places[part]
        return missing

    def done(self) -> list[int]:
        """The parts that have come, in their order."""
        return [part for part, place in self.places.items() if self.parts[place] is not None]

    def answer(self) -> Answer:
        """The answer so far."""
        return self.answer_of(self.parts)

    def answer_up_to(self, event: MediaDone) -> Answer:
        """The answer so far, up to a medium that has come and is not added yet."""
        place = self.places[event.part]
        return self.answer_of([*self.parts[:place], event.media])

    def answer_of(self, parts: Sequence[Part | None]) -> Answer:
        media = [
            MediaInfo(part=part, fallback=part in self.fallbacks)
            for part, place in self.places.items()
            if place < len(parts) and parts[place] is not None
        ]
        content = tuple(part for part in parts if part is not None)
        message = Message("assistant", content)
        return Answer(message, self.finish, tuple(self.failed), tuple(media))


def collect(events: Iterable[Event]) -> Answer:
    """The answer that a whole stream of events adds up to."""
    builder = AnswerBuilder()
    for event in events:
        builder.add(event)
    return builder.answer()

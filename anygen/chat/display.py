"""What a person sees of an answer and of attached media: text, progress, numbered media."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from anygen.core.media import Media, Part, media_of
from anygen.generation.answer import Answer, AnswerBuilder
from anygen.generation.events import (
    Done,
    Event,
    FinishReason,
    Forgotten,
    MediaDone,
    MediaFailed,
    MediaProgress,
    MediaStarted,
    TextDelta,
)
from anygen.generation.request import Request
from anygen.io.media_files import printable
from anygen.terminal.preview import describe
from anygen.terminal.screen import Screen

ENDINGS: dict[FinishReason, str] = {
    "length": "(cut short by its length limit, see /set max_new_tokens)",
    "deadline": "(cut short by its time limit, see /set deadline)",
    "cancelled": "(stopped)",
    "withheld": "(no such medium: see /modalities, /set max_media and /set at_most)",
}


@dataclass(frozen=True)
class AnswerDisplay:
    """Shows the events of one answer; the builder has received each event before it is shown."""

    screen: Screen
    builder: AnswerBuilder
    request: Request

    def show(self, event: Event) -> None:
        screen = self.screen
        match event:
            case TextDelta(text):
                screen.write_text(text)
            case MediaStarted(_, modality):
                screen.show_progress(f"{modality} ...")
            case MediaProgress(_, modality, step, total):
                screen.show_progress(f"{modality} {step}/{total}")
            case MediaDone(part, media, seed):
                screen.show(media)
                screen.line(f"{label(self.number(part), media)} (seed {seed})")
            case MediaFailed(part, modality, error):
                screen.line(f"(no {modality}: {error})")
                self.renumber_after(part)
            case Forgotten():
                screen.line(f"(too long: the model no longer reads {forgotten_part(event)})")
            case Done():
                self.renumber_after(*self.builder.give_up())

    def show_finish(self, answer: Answer) -> None:
        self.screen.end_line()
        if answer.finish in ENDINGS:
            self.screen.line(ENDINGS[answer.finish])
        elif not answer.message.parts and not answer.failed:
            self.screen.line("(the model ended its answer at once)")

    def number(self, part: int) -> int:
        """The number, in the whole conversation, of a medium of this answer."""
        return len(media_of(self.request.messages)) + self.builder.number(part)

    def renumber_after(self, *missing: int) -> None:
        """Finished media that stand behind one that will never come get smaller numbers."""
        for part in self.builder.done():
            if any(other < part for other in missing):
                self.screen.line(f"(now {label(self.number(part), self.builder.media(part))})")


def forgotten_part(event: Forgotten) -> str:
    media = f" or their {event.media} media" if event.media else ""
    return f"the first {event.messages} messages{media}"


def show_attached(screen: Screen, parts: Iterable[Part], media_before: int) -> None:
    """A line for each medium of a message; `media_before` is how many the conversation has."""
    media = [part for part in parts if not isinstance(part, str)]
    for number, medium in enumerate(media, start=media_before + 1):
        screen.line(f"attached {label(number, medium)}")


def label(number: int, media: Media) -> str:
    """`[2] image 64x64, out/002_image.png`."""
    path = "" if media.path is None else f", {printable(media.path)}"
    return f"[{number}] {describe(media)}{path}"

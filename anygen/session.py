"""One chat: the model, what was said, and how a turn is asked, shown, written and remembered."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from anygen.conversation import Conversation, Exchange
from anygen.events import (
    Done,
    Event,
    FinishReason,
    MediaDone,
    MediaProgress,
    MediaStarted,
    TextDelta,
)
from anygen.media import Media, Message, Part, append_text, media_of, modality_of
from anygen.media_files import printable, write_media
from anygen.modality import TABLE, MediaModality, Modality
from anygen.preview import describe
from anygen.provenance import tell_origin
from anygen.request import Model, Request, ask
from anygen.screen import Screen
from decoders.base import SampleOptions


@dataclass(frozen=True)
class Settings:
    """What every question is asked with."""

    out: Path  # the folder of generated media
    modalities: tuple[Modality, ...] | None = None  # None: the model chooses
    max_new_tokens: int = 256
    options: SampleOptions = SampleOptions()
    metadata: bool = True  # whether files tell how they were made


@dataclass
class Session:
    loading: Future[Model]
    settings: Settings
    screen: Screen
    open_model: Callable[[str], Model]
    conversation: Conversation = field(default_factory=Conversation)
    usage: Done | None = None  # of the last answer
    draft: str = ""  # what the next prompt begins with
    over: bool = False

    @property
    def model(self) -> Model:
        """Waits until it is loaded. Raises what kept it from that."""
        return self.loading.result()

    def take_draft(self) -> str:
        draft, self.draft = self.draft, ""
        return draft

    def request(self, question: Message, seed: int) -> Request:
        settings = self.settings
        return Request(
            [*self.conversation.messages(), question],
            seed,
            settings.modalities,
            settings.max_new_tokens,
            settings.options,
        )


def ready(model: Model) -> Future[Model]:
    """A model that is loaded already."""
    loading: Future[Model] = Future()
    loading.set_result(model)
    return loading


def take_turn(session: Session, parts: Sequence[Part], seed: int | None = None) -> bool:
    """Asks, shows and remembers; what came before Ctrl-C is kept. False if it was stopped."""
    conversation = session.conversation
    question = conversation.question(parts)
    request = session.request(question, conversation.next_seed() if seed is None else seed)
    answer: list[Part] = []
    finish: FinishReason = "cancelled"
    try:
        with stop_on_interrupt() as stopped:
            finish = show_answer(session, request, answer, stopped)
    finally:  # also when the disk is full
        if answer:  # a question that got nothing leaves no trace
            conversation.turns.append(
                Exchange(request, Message("assistant", tuple(answer)), finish)
            )
            conversation.attached.clear()
    show_ending(finish, session.screen)
    return finish != "cancelled"


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C only makes the yielded function true; a second one interrupts at once."""
    interrupts: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: bool(interrupts)
    finally:
        signal.signal(signal.SIGINT, previous)


def show_answer(
    session: Session, request: Request, answer: list[Part], stopped: Callable[[], bool]
) -> FinishReason:
    """Fills `answer` as it comes; returns why it ended."""
    try:
        for event in ask(session.model, request, stopped):
            if isinstance(event, Done):
                session.usage = event
                return event.finish_reason
            show_event(session, event, request, answer)
    except KeyboardInterrupt:
        return "cancelled"
    return "stop"


def show_event(session: Session, event: Event, request: Request, answer: list[Part]) -> None:
    screen = session.screen
    match event:
        case TextDelta(text):
            append_text(answer, text)
            screen.say(text)
        case MediaStarted(_, modality):
            screen.show_progress(f"{modality} ...")
        case MediaProgress(_, modality, step, total):
            screen.show_progress(f"{modality} {step}/{total}")
        case MediaDone():
            answer.append(event.media)
            answer[-1] = media = keep_made(session, event, request, answer)
            number = len(media_of(request.messages)) + event.part + 1
            screen.show(media)
            screen.line(f"{label(number, media)} (seed {event.seed})")


def show_ending(reason: FinishReason, screen: Screen) -> None:
    screen.end_line()
    if reason == "length":
        screen.line("(cut short: an answer has a limit, see /set max_new_tokens)")
    if reason == "cancelled":
        screen.line("(stopped)")


def label(number: int, media: Media) -> str:
    """`[2] image 64x64, out/002_image.png`."""
    path = "" if media.path is None else f", {printable(media.path)}"
    return f"[{number}] {describe(media)}{path}"


def keep_made(
    session: Session, event: MediaDone, request: Request, answer: Sequence[Part]
) -> Media:
    """The medium of an answer that is still spoken, written with its provenance."""
    if not session.settings.metadata:
        return keep(event.media, session.settings.out)
    turn = Exchange(request, Message("assistant", tuple(answer)), None)
    conversation = session.conversation
    turns = [*conversation.turns, turn]
    origin = tell_origin(session.model.maker, conversation.given, turns, event.part)
    return keep(event.media, session.settings.out, origin)


def keep(media: Media, out: Path, comment: str | None = None) -> Media:
    """The medium with a file of its own in `out`."""
    path = claim_path(out, modality_of(media))
    try:
        return replace(media, path=write_media(media, path, comment))
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def claim_path(out: Path, modality: MediaModality) -> Path:
    """An empty file, 001_image.png or the next number: two chats never share a name."""
    out.mkdir(parents=True, exist_ok=True)
    taken = (re.match(r"(\d{3,6})_(?:image|audio|video)\.", path.name) for path in out.iterdir())
    number = max((int(match[1]) for match in taken if match), default=0) + 1
    path = out / f"{number:03d}_{modality}{TABLE[modality].suffix}"
    path.touch(exist_ok=False)
    return path

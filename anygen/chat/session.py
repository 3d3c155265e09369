"""One chat: the model, what was said, and how a turn is asked, shown, written and remembered."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from anygen.conversation.history import Conversation, Turn
from anygen.conversation.provenance import tell_origin
from anygen.core.media import Media, Message, Part, media_of, modality_of
from anygen.core.modality import TABLE, MediaModality
from anygen.generation.answer import AnswerBuilder
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
from anygen.generation.options import AnswerOptions, Edit
from anygen.generation.request import Model, Request
from anygen.io.media_files import printable, write_media
from anygen.terminal.preview import describe
from anygen.terminal.screen import Screen


@dataclass(frozen=True)
class Settings:
    """What every question is asked with."""

    out: Path  # the folder of generated media
    options: AnswerOptions = AnswerOptions()
    metadata: bool = True  # whether files tell how they were made


@dataclass(frozen=True, eq=False)
class EditRequest:
    """An earlier medium of the conversation, or one of the question, that is to be changed."""

    medium: Media
    strength: float  # in (0, 1]: how far


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

    def request(self, question: Message, seed: int, change: EditRequest | None = None) -> Request:
        messages, options = [*self.conversation.messages(), question], self.settings.options
        if change:
            edit = Edit(ref=media_of(messages).index(change.medium) + 1, strength=change.strength)
            options = options.model_copy(update={"edit": edit})
        return Request(messages, seed, options)


def ready(model: Model) -> Future[Model]:
    """A model that is loaded already."""
    loading: Future[Model] = Future()
    loading.set_result(model)
    return loading


def run_turn(
    session: Session,
    parts: Sequence[Part],
    seed: int | None = None,
    change: EditRequest | None = None,
) -> bool:
    """Asks, shows and remembers; what came before Ctrl-C is kept. False if it was stopped."""
    conversation = session.conversation
    question = conversation.question(parts)
    seed = conversation.next_seed() if seed is None else seed
    request = session.request(question, seed, change)
    draft = AnswerBuilder()
    try:
        with stop_on_interrupt() as stopped, suppress(KeyboardInterrupt):
            for event in session.model.answer(request, stopped):
                draft.add(event)
                show_event(session, event, request, draft)
    finally:  # also when the disk is full
        answer = draft.answer()
        if answer.message.parts:  # a question that got nothing leaves no trace
            conversation.turns.append(Turn(request, answer.message, answer.finish, answer.made))
            conversation.attached.clear()
    show_ending(answer.finish, session.screen)
    return answer.finish != "cancelled"


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


def show_event(session: Session, event: Event, request: Request, draft: AnswerBuilder) -> None:
    """What an event, which the draft holds already, looks like."""
    screen = session.screen
    match event:
        case TextDelta(text):
            screen.say(text)
        case MediaStarted(_, modality):
            screen.show_progress(f"{modality} ...")
        case MediaProgress(_, modality, step, total):
            screen.show_progress(f"{modality} {step}/{total}")
        case MediaDone():
            show_made(session, event, request, draft)
        case MediaFailed(part, modality, error):
            screen.line(f"(no {modality}: {error})")
            number_again(screen, request, draft, part)
        case Forgotten():
            show_forgotten(session, event)
        case Done():
            session.usage = event
            show_given_up(screen, request, draft)


def show_forgotten(session: Session, event: Forgotten) -> None:
    """Once, and again when it is more."""
    if event != session.conversation.forgotten:
        media = f", nor their {event.media} media" if event.media else ""
        session.screen.line(
            f"(too long: the first {event.messages} messages are no longer read{media})"
        )
    session.conversation.forgotten = event


def show_made(session: Session, event: MediaDone, request: Request, draft: AnswerBuilder) -> None:
    media = keep_made(session, event, request, draft)
    draft.add(replace(event, media=media))
    session.screen.show(media)
    session.screen.line(
        f"{label(number_of(event.part, request, draft), media)} (seed {event.seed})"
    )


def show_given_up(screen: Screen, request: Request, draft: AnswerBuilder) -> None:
    """Media that were asked for and not done when the answer was stopped."""
    if missing := draft.give_up():
        number_again(screen, request, draft, missing[0])


def number_again(screen: Screen, request: Request, draft: AnswerBuilder, missing: int) -> None:
    """Media that were done before one that will not come have another number now."""
    for part in draft.done():
        if part > missing:
            media = draft.media(part)
            screen.line(f"(now {label(number_of(part, request, draft), media)})")


def number_of(part: int, request: Request, draft: AnswerBuilder) -> int:
    """The number, in the conversation, of a medium of the answer."""
    return len(media_of(request.messages)) + draft.number(part)


def show_attached(session: Session, parts: Sequence[Part]) -> None:
    number = len(session.conversation.media())
    for part in parts:
        if not isinstance(part, str):
            number += 1
            session.screen.line(f"attached {label(number, part)}")


def show_ending(reason: FinishReason, screen: Screen) -> None:
    screen.end_line()
    if reason == "length":
        screen.line("(cut short: an answer has a limit, see /set max_new_tokens)")
    if reason == "deadline":
        screen.line("(cut short: the time is over, see /set deadline)")
    if reason == "cancelled":
        screen.line("(stopped)")


def label(number: int, media: Media) -> str:
    """`[2] image 64x64, out/002_image.png`."""
    path = "" if media.path is None else f", {printable(media.path)}"
    return f"[{number}] {describe(media)}{path}"


def keep_made(session: Session, event: MediaDone, request: Request, draft: AnswerBuilder) -> Media:
    """The medium of an answer that is still spoken, written with its provenance."""
    if not session.settings.metadata:
        return keep(event.media, session.settings.out)
    answer = draft.answer(event.part)
    turn = Turn(request, answer.message, None, answer.made)
    conversation = session.conversation
    turns = [*conversation.turns, turn]
    origin = tell_origin(session.model.model_id, conversation.given, turns, event.part)
    return keep(event.media, session.settings.out, origin)


def keep(media: Media, out: Path, comment: str | None = None) -> Media:
    """The medium with a file of its own in `out`."""
    path = reserve_path(out, modality_of(media))
    try:
        return replace(media, path=write_media(media, path, comment))
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def reserve_path(out: Path, modality: MediaModality) -> Path:
    """An empty file, 001_image.png or the next number: two chats never share a name."""
    out.mkdir(parents=True, exist_ok=True)
    taken = (re.match(r"(\d{3,6})_(?:image|audio|video)\.", path.name) for path in out.iterdir())
    number = max((int(match[1]) for match in taken if match), default=0) + 1
    path = out / f"{number:03d}_{modality}{TABLE[modality].suffix}"
    path.touch(exist_ok=False)
    return path

"""One turn of a chat: ask the model, show the answer as it comes, write its media, remember it."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from anygen.chat.display import AnswerDisplay
from anygen.chat.session import EditRequest, Session
from anygen.conversation.history import Turn
from anygen.conversation.provenance import provenance_json
from anygen.core.media import Media, Part, modality_of
from anygen.core.modality import TABLE, MediaModality
from anygen.generation.answer import AnswerBuilder
from anygen.generation.events import Done, Forgotten, MediaDone
from anygen.generation.request import Request
from anygen.io.media_files import write_media


def run_turn(
    session: Session,
    parts: Sequence[Part],
    seed: int | None = None,
    edit: EditRequest | None = None,
) -> bool:
    """Answers a message of these parts, after those that are attached. False if it was stopped.

    After Ctrl-C, or an error, the conversation keeps what was generated until then; a question
    without any answer is not kept. Raises ValueError for a request that the model refuses, and
    OSError if a medium cannot be written.
    """
    model, conversation = session.model, session.conversation  # Ctrl-C need not wait for loading
    question = conversation.question(parts)
    seed = conversation.next_seed() if seed is None else seed
    request = session.request(question, seed, edit)
    builder = AnswerBuilder()
    display = AnswerDisplay(session.screen, builder, request)
    try:
        with stop_on_interrupt() as stopped, suppress(KeyboardInterrupt):
            for event in model.answer(request, stopped):
                if isinstance(event, MediaDone):
                    event = add_generated(session, event, request, builder)
                else:
                    builder.add(event)
                match event:
                    case Forgotten() if event == conversation.forgotten:
                        continue  # it has been shown
                    case Forgotten():
                        conversation.forgotten = event
                    case Done():
                        session.usage = event
                display.show(event)
    finally:
        answer = builder.answer()
        if answer.message.parts:
            conversation.turns.append(
                Turn(request, answer.message, answer.finish, answer.media_info)
            )
            conversation.attached.clear()
    display.show_finish(answer)
    return answer.finish != "cancelled"


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C makes the yielded function return true; the second raises as usual."""
    interrupts: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: bool(interrupts)
    finally:
        signal.signal(signal.SIGINT, previous)


# --- the files of media


def add_generated(
    session: Session, event: MediaDone, request: Request, builder: AnswerBuilder
) -> MediaDone:
    """Adds a medium to its answer once it is written, or without a file where that fails."""
    try:
        event = replace(event, media=save_generated(session, event, request, builder))
    finally:
        builder.add(event)
    return event


def save_generated(
    session: Session, event: MediaDone, request: Request, builder: AnswerBuilder
) -> Media:
    """Writes a medium of an unfinished answer, with its provenance unless that is turned off."""
    if not session.settings.metadata:
        return save_media(event.media, session.settings.out)
    answer = builder.answer_up_to(event)
    conversation = session.conversation
    turns = [*conversation.turns, Turn(request, answer.message, None, answer.media_info)]
    provenance = provenance_json(session.model.model_id, conversation.preamble, turns, event.part)
    return save_media(event.media, session.settings.out, provenance)


def save_media(media: Media, out: Path, comment: str | None = None) -> Media:
    """The medium with the path of a new file in `out`. Raises OSError."""
    path = reserve_path(out, modality_of(media))
    try:
        return replace(media, path=write_media(media, path, comment))
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def reserve_path(out: Path, modality: MediaModality) -> Path:
    """Creates an empty file, 001_image.png or the next number: no two chats share a name."""
    out.mkdir(parents=True, exist_ok=True)
    numbered = (re.match(r"(\d{3,6})_(?:image|audio|video)\.", path.name) for path in out.iterdir())
    number = max((int(match[1]) for match in numbered if match), default=0) + 1
    path = out / f"{number:03d}_{modality}{TABLE[modality].suffix}"
    path.touch(exist_ok=False)
    return path

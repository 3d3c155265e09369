"""Conversations as files: a page to look at, Markdown, and JSON that a chat goes on from."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from anygen.chat.session import Session
from anygen.conversation.history import Conversation
from anygen.conversation.serialization import (
    SavedMedium,
    save_messages,
    save_once,
    save_turn,
)
from anygen.conversation.transcript_file import Transcript, open_conversation, read_transcript
from anygen.core.media import Media, Part, Role, modality_of
from anygen.core.modality import TABLE
from anygen.io.atomic import replacing, write_json
from anygen.io.media_files import printable, write_exact, write_media
from anygen.reports.page import Shown, show, write_page
from anygen.terminal.preview import describe

LARGEST = 1024  # pixels, the longer side of a picture on a page


def save(session: Session, path: Path) -> None:
    """Writes .html, .md or .json; media of the last two go into a folder beside it.

    Raises ValueError for another suffix.
    """
    writers: dict[str, Callable[[Session, Path], None]] = {
        ".html": save_html,
        ".md": save_markdown,
        ".json": save_json,
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise ValueError(f"{printable(path)}: a conversation is saved as {', '.join(writers)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    writer(session, path)


def media_folder(path: Path) -> Path:
    """`talk_media` beside talk.json."""
    return path.with_name(f"{path.stem}_media")


# --- JSON


def save_json(session: Session, path: Path) -> None:
    conversation, maker = session.conversation, session.model.model_id
    saved: list[tuple[Media, SavedMedium]] = []

    def write(media: Media) -> SavedMedium:
        stem = f"{len(saved) + 1:03d}_{modality_of(media)}"
        written = write_exact(media, media_folder(path) / stem)
        name = written.relative_to(path.parent).as_posix()
        source = None if media.path is None else str(media.path.absolute())
        return SavedMedium(type=modality_of(media), path=name, source=source)

    store = save_once(write, saved)
    transcript = Transcript(
        model=maker.model,
        weights=maker.weights,
        given=save_messages(conversation.given, store),
        turns=[save_turn(turn, store, store) for turn in conversation.turns],
        seed=conversation.seed,
        asked=conversation.asked,
        attached=[store(media) for media in conversation.attached],
        options=session.settings.options,
    )
    write_json(transcript.model_dump(mode="json", exclude_none=True), path)


def load(session: Session, path: Path) -> int:
    """Goes on with a saved conversation, as it was asked; returns how many turns it has.

    Raises ValueError for a file that is none, OSError for one that cannot be read.
    """
    transcript = read_transcript(path)
    session.conversation = open_conversation(transcript, path.parent, session.model.model_id)
    session.settings = replace(session.settings, options=transcript.options)
    return len(transcript.turns)


# --- pages


def save_markdown(session: Session, path: Path) -> None:
    names = numbered(session.conversation)
    folder = media_folder(path)

    def show(part: Part) -> str:
        if isinstance(part, str):
            return part
        suffix = TABLE[modality_of(part)].suffix
        written = write_media(part, folder / f"{next(names)}{suffix}")
        link = f"[{describe(part)}](<{written.relative_to(path.parent).as_posix()}>)"
        return f"!{link}" if modality_of(part) == "image" else link

    sections = [f"# anygen chat, {session.model.model_id.model}"]
    for role, parts, note in spoken(session.conversation):
        sections += [f"**{role}**{note}", *map(show, parts)]
    write_text("\n\n".join(sections) + "\n", path)


def save_html(session: Session, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        names = numbered(session.conversation)

        def show_part(part: Part) -> str | Shown:
            return part if isinstance(part, str) else show_medium(part, Path(folder) / next(names))

        turns = [
            {"role": role, "note": note, "parts": list(map(show_part, parts))}
            for role, parts, note in spoken(session.conversation)
        ]
    write_page(path, "conversation.html", {"model": session.model.model_id.model, "turns": turns})


def show_medium(media: Media, stem: Path) -> Shown:
    suffix = TABLE[modality_of(media)].suffix
    return show(write_media(media, stem.with_suffix(suffix)), describe(media), LARGEST)


def spoken(conversation: Conversation) -> Iterator[tuple[Role, tuple[Part, ...], str]]:
    """Who says what, and whether the answer was stopped."""
    for message in conversation.given:
        yield message.role, message.parts, ""
    for turn in conversation.turns:
        yield "user", turn.question.parts, ""
        yield "assistant", turn.answer.parts, " (stopped)" if turn.finish == "cancelled" else ""


def numbered(conversation: Conversation) -> Iterator[str]:
    """001_image, 002_audio ... in the order of the conversation."""
    for number, media in enumerate(conversation.media(), start=1):
        yield f"{number:03d}_{modality_of(media)}"


def write_text(text: str, path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

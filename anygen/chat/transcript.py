"""Saves the conversation of a chat: a page, Markdown, or JSON that /load continues from."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from anygen.chat.session import Session
from anygen.conversation.history import Conversation
from anygen.conversation.transcript_file import (
    media_folder,
    open_conversation,
    read_transcript,
    write_transcript,
)
from anygen.core.media import Media, Part, Role, modality_of
from anygen.core.modality import TABLE
from anygen.io.atomic import replacing
from anygen.io.media_files import printable, write_media
from anygen.reports.page import Shown, show, write_page
from anygen.terminal.preview import describe

LARGEST = 1024  # pixels, the longer side of a picture on a page


def save_conversation(session: Session, path: Path) -> None:
    """Writes .html, .md or .json; the last two keep media in a folder beside the file.

    Raises ValueError for any other suffix, and OSError if a file cannot be written.
    """
    writers: dict[str, Callable[[Session, Path], None]] = {
        ".html": save_page,
        ".md": save_markdown,
        ".json": save_json,
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise ValueError(f"{printable(path)}: a conversation is saved as {', '.join(writers)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    writer(session, path)


def load_conversation(session: Session, path: Path) -> int:
    """Continues a conversation saved as .json, with its options; returns how many turns it has.

    Raises ValueError if the file is not a saved conversation, OSError if it cannot be read.
    """
    transcript = read_transcript(path)
    session.conversation = open_conversation(transcript, path.parent, session.model.model_id)
    session.settings = replace(session.settings, options=transcript.options)
    return len(transcript.turns)


def save_json(session: Session, path: Path) -> None:
    options = session.settings.options
    write_transcript(session.conversation, session.model.model_id, options, path)


def save_markdown(session: Session, path: Path) -> None:
    names = file_stems(session.conversation)
    folder = media_folder(path)

    def show_part(part: Part) -> str:
        if isinstance(part, str):
            return part
        suffix = TABLE[modality_of(part)].suffix
        written = write_media(part, folder / f"{next(names)}{suffix}")
        link = f"[{describe(part)}](<{written.relative_to(path.parent).as_posix()}>)"
        return f"!{link}" if modality_of(part) == "image" else link

    sections = [f"# anygen chat, {session.model.model_id.model}"]
    for role, parts, note in noted_messages(session.conversation):
        sections += [f"**{role}**{note}", *map(show_part, parts)]
    with replacing(path) as temporary:
        temporary.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def save_page(session: Session, path: Path) -> None:
    """One HTML file that holds all media and loads nothing from elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        names = file_stems(session.conversation)

        def show_part(part: Part) -> str | Shown:
            return part if isinstance(part, str) else show_medium(part, Path(folder) / next(names))

        turns = [
            {"role": role, "note": note, "parts": list(map(show_part, parts))}
            for role, parts, note in noted_messages(session.conversation)
        ]
    name = session.model.model_id.model
    write_page(path, "conversation.html", {"model": name, "turns": turns})


def show_medium(media: Media, stem: Path) -> Shown:
    suffix = TABLE[modality_of(media)].suffix
    return show(write_media(media, stem.with_suffix(suffix)), describe(media), LARGEST)


def noted_messages(conversation: Conversation) -> Iterator[tuple[Role, tuple[Part, ...], str]]:
    """The role and the parts of every message, with a note on answers that were stopped."""
    for message in conversation.preamble:
        yield message.role, message.parts, ""
    for turn in conversation.turns:
        yield "user", turn.question.parts, ""
        yield "assistant", turn.answer.parts, " (stopped)" if turn.finish == "cancelled" else ""


def file_stems(conversation: Conversation) -> Iterator[str]:
    """001_image, 002_audio, ... in the order of the conversation."""
    for number, media in enumerate(conversation.media(), start=1):
        yield f"{number:03d}_{modality_of(media)}"

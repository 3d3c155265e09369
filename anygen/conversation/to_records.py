"""Turns saved chats into records, the format of training data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from anygen.conversation.serialization import SavedPart, SavedTurn
from anygen.conversation.transcript_file import Transcript, read_transcript
from anygen.core.records import Content, MediaContent, Record, RecordMessage, TextContent
from mosit_data.formats.media_folder import MediaFolder
from mosit_data.formats.rows import Kept, Refusal


def read_chat(path: Path, media: MediaFolder) -> Iterator[Kept | Refusal]:
    """One record for a saved chat. Raises ValueError, OSError.

    Its media, which lie beside it, are copied if records could only name them by `..`.
    Unfinished answers are left out, so that no model learns to break off.
    """
    transcript = read_transcript(path)

    def contents(parts: Iterable[SavedPart], caption: str | None = None) -> list[Content]:
        return [
            part
            if isinstance(part, TextContent)
            else MediaContent(
                type=part.type,
                path=media.moved(path.parent / (part.path or "")),
                caption=caption,
            )
            for part in parts
        ]

    messages = [
        RecordMessage(role=message.role, content=contents(message.content))
        for message in transcript.given
    ]
    for number, turn in enumerate(transcript.turns):
        if turn.finish == "stop":
            caption = caption_of(turn, is_first=number == 0 and not has_dialogue(transcript))
            messages += [
                RecordMessage(role="user", content=contents(turn.question)),
                RecordMessage(role="assistant", content=contents(turn.answer, caption)),
            ]
    if len(messages) == len(transcript.given):
        yield Refusal(path.name, path.stem, "no answer of the chat is finished")
        return
    yield Kept(path.name, Record(id=path.stem, messages=messages))


def has_dialogue(transcript: Transcript) -> bool:
    return any(message.role != "system" for message in transcript.given)


def caption_of(turn: SavedTurn, is_first: bool) -> str | None:
    """What the one medium of an answer shows, if that is known: the question that opens a chat.

    A later question, or one about attached media, may only make sense beside what came before, as
    "now another one" does. Of several media of an answer none is all that was asked for.
    """
    alone = is_first and len(turn.made) == 1
    texts = [part.text for part in turn.question if isinstance(part, TextContent)]
    return texts[0] if alone and len(texts) == len(turn.question) == 1 else None

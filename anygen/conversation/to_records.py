"""Turns saved chats into records, the format of training data and of batch files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from anygen.conversation.serialization import SavedPart, SavedTurn
from anygen.conversation.transcript_file import read_transcript
from anygen.core.records import Content, MediaContent, Record, RecordMessage, TextContent
from anygen.io.atomic import replacing


def convert(sources: Sequence[Path], out: Path) -> int:
    """Writes one record for each saved chat to `out`; returns how many. Raises ValueError, OSError.

    The paths of media in the records are relative to the folder of `out`.
    """
    records = [transcript_record(source, out.absolute().parent) for source in sources]
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as temporary:
        lines = (record.model_dump_json(exclude_none=True) + "\n" for record in records)
        temporary.write_text("".join(lines), encoding="utf-8")
    return len(records)


def transcript_record(source: Path, folder: Path) -> Record:
    """A saved chat without its unfinished answers, so that no model learns to break off."""
    transcript = read_transcript(source)
    media_root = os.path.relpath(source.absolute().parent, folder)
    messages = [
        RecordMessage(role=message.role, content=contents(message.content, media_root))
        for message in transcript.given
    ]
    for turn in transcript.turns:
        if turn.finish == "stop":
            question = contents(turn.question, media_root)
            answer = contents(turn.answer, media_root, caption=question_text(turn))
            messages += [
                RecordMessage(role="user", content=question),
                RecordMessage(role="assistant", content=answer),
            ]
    return Record(id=source.stem, messages=messages)


def contents(
    parts: Iterable[SavedPart], media_root: str, caption: str | None = None
) -> list[Content]:
    return [
        part
        if isinstance(part, TextContent)
        else MediaContent(type=part.type, path=f"{media_root}/{part.path}", caption=caption)
        for part in parts
    ]


def question_text(turn: SavedTurn) -> str:
    """The caption of generated media: what was asked for is all that is known of them."""
    texts = [part.text for part in turn.question if isinstance(part, TextContent)]
    return " ".join(texts)

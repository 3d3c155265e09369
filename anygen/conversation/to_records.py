"""Dialogues of other formats to records, the one format of training and of batches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from anygen.conversation.serialization import SavedPart, SavedTurn
from anygen.conversation.transcript_file import read_transcript
from anygen.core.records import Content, MediaContent, Record, RecordMessage, TextContent
from anygen.io.atomic import replacing


def convert(sources: Sequence[Path], out: Path) -> int:
    """Saved chats to a file of records, one each; returns how many. Raises ValueError and OSError.

    Paths are relative to the file of records.
    """
    records = [transcript_record(source, out.absolute().parent) for source in sources]
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as temporary:
        lines = (record.model_dump_json(exclude_none=True) + "\n" for record in records)
        temporary.write_text("".join(lines), encoding="utf-8")
    return len(records)


def transcript_record(source: Path, folder: Path) -> Record:
    """A saved chat without answers that were stopped: nobody should learn to break off."""
    transcript = read_transcript(source)
    beside = os.path.relpath(source.absolute().parent, folder)
    messages = [
        RecordMessage(role=message.role, content=contents(message.content, beside))
        for message in transcript.given
    ]
    for turn in transcript.turns:
        if turn.finish == "stop":
            question = RecordMessage(role="user", content=contents(turn.question, beside))
            answer = contents(turn.answer, beside, caption=words(turn))
            messages += [question, RecordMessage(role="assistant", content=answer)]
    return Record(id=source.stem, messages=messages)


def contents(parts: Iterable[SavedPart], beside: str, caption: str | None = None) -> list[Content]:
    return [
        part
        if isinstance(part, TextContent)
        else MediaContent(type=part.type, path=f"{beside}/{part.path}", caption=caption)
        for part in parts
    ]


def words(turn: SavedTurn) -> str:
    """What was asked for stands for what was made: nothing else tells what it shows."""
    texts = [part.text for part in turn.question if isinstance(part, TextContent)]
    return " ".join(texts)

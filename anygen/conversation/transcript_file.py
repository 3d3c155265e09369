"""A conversation as a JSON file that a chat goes on from; its media lie beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from anygen.checkpoints.model_id import ModelId
from anygen.conversation.history import Conversation, Turn
from anygen.conversation.serialization import (
    Saved,
    SavedMedium,
    open_once,
    open_parts,
)
from anygen.core.media import Media, Message
from anygen.generation.options import AnswerOptions
from anygen.io.media_files import printable, read_media


class Transcript(Saved):
    """A conversation that can go on: its media are files beside it, exact to the last bit."""

    seed: int
    asked: int
    attached: list[SavedMedium] = []  # to the next question
    options: AnswerOptions  # of the next question


def read_transcript(path: Path) -> Transcript:
    try:
        return Transcript.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise ValueError(
            f"{printable(path)}: is no conversation that anygen saved as .json: "
            f"{where}{': ' if where else ''}{problem['msg']}"
        ) from None


def open_conversation(transcript: Transcript, folder: Path, maker: ModelId) -> Conversation:
    """The conversation as it was; copies of its media lie below `folder`. Raises MediaError.

    What other weights have said cannot be said again: it is only given.
    """
    own = transcript.weights == maker.weights

    def read_copy(saved: SavedMedium) -> Media:
        media = read_media(folder / (saved.path or ""))
        source = Path(saved.source or "")
        return replace(media, path=source) if own and source.is_file() else media

    read = open_once(read_copy, [])
    given = tuple(Message(m.role, open_parts(m.content, read)) for m in transcript.given)
    conversation = Conversation(transcript.seed, transcript.asked, given)
    for saved in transcript.turns:
        question = Message("user", open_parts(saved.question, read))
        request = saved.request(conversation.messages(), question)
        answer = Message("assistant", open_parts(saved.answer, read))
        conversation.turns.append(Turn(request, answer, saved.finish, tuple(saved.made)))
    conversation.attached += map(read, transcript.attached)
    if not own:
        conversation.given = tuple(conversation.messages())
        conversation.turns.clear()
    return conversation

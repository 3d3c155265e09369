"""A conversation as a JSON file, with its media in a folder beside it: a chat continues from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from anygen.checkpoints.model_id import ModelId
from anygen.conversation.history import Conversation, Turn
from anygen.conversation.serialization import (
    SavedConversation,
    SavedMedium,
    open_once,
    open_parts,
    save_messages,
    save_once,
    save_turn,
)
from anygen.core.media import Media, Message, modality_of
from anygen.core.schema import explain
from anygen.core.text import from_json
from anygen.generation.options import AnswerOptions
from anygen.io.atomic import write_json
from anygen.io.media_files import printable, read_media, write_exact
from anygen.io.paths import read_file


class Transcript(SavedConversation):
    """A conversation that can be continued: every medium has a lossless file beside this one."""

    seed: int
    asked: int  # how many questions have taken a seed
    attached: list[SavedMedium] = []  # to the next question
    options: AnswerOptions  # of the next question


def write_transcript(
    conversation: Conversation, model_id: ModelId, options: AnswerOptions, path: Path
) -> None:
    """Writes the conversation and lossless copies of its media. Raises OSError.

    `options` are those that the next question would be asked with.
    """
    saved: list[tuple[Media, SavedMedium]] = []

    def write_copy(media: Media) -> SavedMedium:
        stem = f"{len(saved) + 1:03d}_{modality_of(media)}"
        written = write_exact(media, media_folder(path) / stem)
        name = written.relative_to(path.parent).as_posix()
        source = None if media.path is None else str(media.path.absolute())
        return SavedMedium(type=modality_of(media), path=name, source=source)

    save_medium = save_once(write_copy, saved)
    transcript = Transcript(
        model=model_id.model,
        weights=model_id.weights,
        given=save_messages(conversation.preamble, save_medium),
        turns=[save_turn(turn, save_medium, save_medium) for turn in conversation.turns],
        seed=conversation.seed,
        asked=conversation.questions_asked,
        attached=[save_medium(media) for media in conversation.attached],
        options=options,
    )
    write_json(transcript.model_dump(mode="json", exclude_none=True), path)


def media_folder(path: Path) -> Path:
    """`talk_media` beside talk.json or talk.md."""
    return path.with_name(f"{path.stem}_media")


def read_transcript(path: Path) -> Transcript:
    """Raises ValueError if the file is not a saved conversation, OSError if it cannot be read."""
    try:
        return Transcript.model_validate(from_json(read_file(path)))
    except ValueError as error:
        first, *_ = explain(error, Transcript).splitlines() or [""]
        raise ValueError(
            f"{printable(path)}: not a conversation that anygen saved as .json: {first}"
        ) from None


def open_conversation(transcript: Transcript, folder: Path, model_id: ModelId) -> Conversation:
    """The conversation as it was, with media read from their copies in `folder`. Raises MediaError.

    Answers of other weights cannot be generated again, so such a conversation becomes the preamble
    of a new one, which /retry and /undo do not reach.
    """
    same_weights = transcript.weights == model_id.weights

    def read_copy(saved: SavedMedium) -> Media:
        media = read_media(folder / (saved.path or ""))
        source = Path(saved.source or "")
        return replace(media, path=source) if same_weights and source.is_file() else media

    read = open_once(read_copy, [])
    preamble = tuple(Message(m.role, open_parts(m.content, read)) for m in transcript.given)
    conversation = Conversation(transcript.seed, transcript.asked, preamble)
    for saved in transcript.turns:
        question = Message("user", open_parts(saved.question, read))
        request = saved.request(conversation.messages(), question)
        answer = Message("assistant", open_parts(saved.answer, read))
        conversation.turns.append(Turn(request, answer, saved.finish, tuple(saved.made)))
    conversation.attached += map(read, transcript.attached)
    if not same_weights:
        conversation.preamble = tuple(conversation.messages())
        conversation.turns.clear()
    return conversation

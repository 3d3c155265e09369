"""Where a made medium comes from, as its own file tells it, and how to make it again.

The metadata of a file hold the conversation up to it: what the user said and attached, and the
seed and the settings of every turn. Answers depend on nothing else, so media that the model made
on the way are not kept but made again.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

import torch
from pydantic import ValidationError

from anygen.checkpoints.model_id import ModelId
from anygen.conversation.history import Turn
from anygen.conversation.serialization import (
    Saved,
    SavedMedium,
    SavedTurn,
    open_once,
    open_parts,
    save_messages,
    save_once,
    save_turn,
)
from anygen.core.content_hash import content_hash
from anygen.core.media import Media, Message, modality_of
from anygen.generation.events import MediaDone
from anygen.generation.request import Model, Request
from anygen.io.atomic import replacing
from anygen.io.media_files import MediaError, printable, read_comment, read_media, write_media


class Provenance(Saved):
    """How a medium was made: in the last turn."""

    part: int  # which of the media that the last answer asked for, from 0
    threads: int  # sums of floats depend on how they are split


def tell_origin(maker: ModelId, given: Sequence[Message], turns: Sequence[Turn], part: int) -> str:
    """The provenance, as JSON, of a medium of the last of the turns."""
    named: list[tuple[Media, SavedMedium]] = []
    asked, made = save_once(name_file, named), save_once(name_made, named)
    provenance = Provenance(
        model=maker.model,
        weights=maker.weights,
        given=save_messages(given, asked),
        turns=[save_turn(turn, asked, made) for turn in turns],
        part=part,
        threads=torch.get_num_threads(),
    )
    return provenance.model_dump_json(exclude_none=True)


def read_provenance(path: Path) -> Provenance:
    """What a file tells. Raises MediaError where it tells nothing of anygen."""
    try:
        return Provenance.model_validate_json(read_comment(path) or "")
    except ValidationError:
        raise MediaError(
            f"{printable(path)}: does not tell how it was made; anygen writes that into what it "
            "makes, unless told --no-metadata"
        ) from None


def remake(model: Model, provenance: Provenance) -> Media:
    """The medium once more. Raises ValueError where a file is gone or is another one."""
    *before, last = provenance.turns
    media: list[Media] = []
    read = open_once(open_file, media)
    messages = [Message(m.role, open_parts(m.content, read)) for m in provenance.given]
    for turn in before:
        question = Message("user", open_parts(turn.question, read))
        answer = retell(model, turn, turn.request(messages, question), media)
        messages += [question, answer]
    question = Message("user", open_parts(last.question, read))
    return make(model, last.request(messages, question), {provenance.part})[provenance.part]


def write_again(media: Media, source: Path, out: Path) -> tuple[Path, bool]:
    """Writes it into `out` under its old name; whether the bytes are those of `source`.

    Raises ValueError where another file has that name.
    """
    out.mkdir(parents=True, exist_ok=True)
    path, before = out / source.name, source.read_bytes()
    with replacing(path) as temporary:
        write_media(media, temporary, read_comment(source))
        made = temporary.read_bytes()
        if path.exists() and path.read_bytes() != made:
            raise ValueError(f"{printable(path)}: is there and differs; name another --out")
    return path, made == before


def retell(model: Model, turn: SavedTurn, request: Request, media: list[Media]) -> Message:
    """An answer whose words are known, with its media made again; they join `media`."""
    parts = [made.part for made in turn.made]
    made = make(model, request, set(parts))
    left = iter(parts)
    return Message(
        "assistant", open_parts(turn.answer, open_once(lambda _: made[next(left)], media))
    )


def make(model: Model, request: Request, parts: Set[int]) -> dict[int, Media]:
    """These media of an answer. Raises ValueError where the model does not make them."""
    if not parts:
        return {}
    patient = request.options.model_copy(update={"deadline": None})  # it says nothing of the media
    made: dict[int, Media] = {}
    for event in model.answer(replace(request, options=patient)):
        if isinstance(event, MediaDone) and event.part in parts:
            made[event.part] = event.media
        if made.keys() == parts:
            return made
    raise ValueError("the model does not make this medium any more: it has other weights")


def open_file(saved: SavedMedium) -> Media:
    """A medium that the model was given. Raises ValueError."""
    if saved.path is None:
        raise ValueError(f"the {saved.type} that was attached came from no file; it is needed")
    media = read_media(saved.path)
    if content_hash(media) != saved.sha256:
        raise MediaError(f"{printable(saved.path)}: is not the {saved.type} that it was then")
    return media


def name_file(media: Media) -> SavedMedium:
    """A medium that the model was given: its file, and what was in it."""
    path = None if media.path is None else str(media.path.absolute())
    return SavedMedium(type=modality_of(media), path=path, sha256=content_hash(media))


def name_made(media: Media) -> SavedMedium:
    return SavedMedium(type=modality_of(media))

"""Where a made medium comes from, as its own file tells it, and how to make it again.

The metadata of a file hold the conversation up to it: what the user said and attached, and the
seed and the settings of every turn. Answers depend on nothing else, so media that the model made
on the way are not kept but made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from anygen.conversation import Exchange
from anygen.events import Event, MediaDone
from anygen.files import replacing
from anygen.media import Audio, Image, Media, Message, Video, media_of, modality_of
from anygen.media_files import MediaError, printable, read_comment, read_media, write_media
from anygen.request import Maker, Model, Request, ask
from anygen.saved import (
    Saved,
    SavedMedium,
    SavedPart,
    open_parts,
    save_messages,
    save_turn,
)


class Provenance(Saved):
    """How a medium was made: in the last turn."""

    part: int  # its place among the media of the last answer, from 0
    threads: int  # sums of floats depend on how they are split


def tell_origin(
    maker: Maker, given: Sequence[Message], turns: Sequence[Exchange], part: int
) -> str:
    """The provenance, as JSON, of a medium of the last of the turns."""
    provenance = Provenance(
        model=maker.model,
        weights=maker.weights,
        given=save_messages(given, name_file),
        turns=[save_turn(turn, name_file, name_made) for turn in turns],
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
    messages = [Message(m.role, open_parts(m.content, open_file)) for m in provenance.given]
    for turn in provenance.turns:
        question = Message("user", open_parts(turn.question, open_file))
        answer = retell(model, turn.request(messages, question), turn.answer)
        messages += [question, answer]
    return media_of(messages[-1:])[provenance.part]


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


def retell(model: Model, request: Request, saved: Sequence[SavedPart]) -> Message:
    """An answer whose words are known, with its media made again."""
    media = made_media(ask(model, request))
    return Message("assistant", open_parts(saved, lambda _: next_medium(media)))


def made_media(events: Iterator[Event]) -> Iterator[Media]:
    return (event.media for event in events if isinstance(event, MediaDone))


def next_medium(media: Iterator[Media]) -> Media:
    made = next(media, None)
    if made is None:
        raise ValueError("the model does not make this medium any more: it has other weights")
    return made


def open_file(saved: SavedMedium) -> Media:
    """A medium that the model was given. Raises ValueError."""
    if saved.path is None:
        raise ValueError(f"the {saved.type} that was attached came from no file; it is needed")
    media = read_media(saved.path)
    if digest(media) != saved.sha256:
        raise MediaError(f"{printable(saved.path)}: is not the {saved.type} that it was then")
    return media


def name_file(media: Media) -> SavedMedium:
    """A medium that the model was given: its file, and what was in it."""
    path = None if media.path is None else str(media.path.absolute())
    return SavedMedium(type=modality_of(media), path=path, sha256=digest(media))


def name_made(media: Media) -> SavedMedium:
    return SavedMedium(type=modality_of(media))


def digest(media: Media) -> str:
    """SHA-256 of what a medium shows or plays, whatever the file that it is stored in."""
    found = hashlib.sha256()
    match media:
        case Image():
            add_tensor(found, media.pixels)
        case Audio():
            add_tensor(found, media.samples, media.rate)
        case Video():
            add_tensor(found, media.frames, media.fps)
            if media.audio:
                add_tensor(found, media.audio.samples, media.audio.rate)
    return found.hexdigest()


def add_tensor(found: Any, tensor: Tensor, rate: float = 0.0) -> None:
    found.update(f"{tuple(tensor.shape)} {rate:.6f}".encode())
    found.update(np.ascontiguousarray(tensor.numpy()).data)

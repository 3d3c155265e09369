"""How a generated medium was made, recorded in its own file, and how to generate it again.

The metadata of a file hold the conversation up to that medium: the texts, references to the files
that the user attached, and the seed and options of every turn. Answers depend on nothing else, so
media that the model generated on the way are not stored; they are generated again.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch
from pydantic import PositiveInt

from anygen.checkpoints.model_id import ModelId
from anygen.config.placement import Placement
from anygen.config.sampling import Sampling
from anygen.conversation.history import Turn
from anygen.conversation.serialization import (
    SavedConversation,
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
from anygen.core.text import from_json, to_json
from anygen.generation.events import MediaDone
from anygen.generation.request import Model, Request
from anygen.io.atomic import replacing
from anygen.io.media_files import MediaError, printable, read_comment, read_media, write_media


class Provenance(SavedConversation):
    """The conversation whose last turn generated the medium."""

    part: int  # index of the medium among those that the last answer asked for, from 0
    threads: PositiveInt  # of torch on a CPU: their number decides how sums of floats are split
    placement: Placement = Placement()
    sampling: Sampling = Sampling()  # of answers whose options leave it to the model
    environment: dict[str, str] = {}  # what else may change the last bits, see `environment`

    def differences(self) -> list[str]:
        """How this machine differs from the one that made the medium, as sentences."""
        here = environment()
        return [
            f"it was made with {name} {value}, this is {name} {here.get(name, 'none')}"
            for name, value in self.environment.items()
            if here.get(name) != value
        ]


@cache
def environment() -> dict[str, str]:
    """The instruction set that torch uses on this CPU, and the versions of the libraries."""
    libraries = {name: version(name) for name in ("torch", "transformers", "diffusers")}
    return {"CPU": torch.backends.cpu.get_cpu_capability(), **libraries}


def provenance_json(
    model_id: ModelId, preamble: Sequence[Message], turns: Sequence[Turn], part: int
) -> str:
    """The provenance of medium `part` of the last turn; `preamble` stands before the first turn."""
    saved: list[tuple[Media, SavedMedium]] = []
    attached = save_once(reference_attached, saved)
    generated = save_once(reference_generated, saved)
    provenance = Provenance(
        model=model_id.model,
        weights=model_id.weights,
        given=save_messages(preamble, attached),
        turns=[save_turn(turn, attached, generated) for turn in turns],
        part=part,
        threads=torch.get_num_threads(),
        placement=model_id.placement,
        sampling=model_id.sampling,
        environment=environment(),
    )
    return to_json(provenance.model_dump(mode="json", exclude_none=True))


def reference_attached(media: Media) -> SavedMedium:
    """A medium that the user attached: the path of its file, and a hash of its content."""
    path = None if media.path is None else str(media.path.absolute())
    return SavedMedium(type=modality_of(media), path=path, sha256=content_hash(media))


def reference_generated(media: Media) -> SavedMedium:
    return SavedMedium(type=modality_of(media))


def read_provenance(path: Path) -> Provenance:
    """The provenance in a file. Raises MediaError if it holds none that anygen wrote."""
    comment = read_comment(path) or ""
    try:
        return Provenance.model_validate(from_json(comment))
    except ValueError:
        raise MediaError(
            f"{printable(path)}: does not record how it was made; anygen writes that into the "
            "files it generates, unless --no-metadata is given"
        ) from None


def regenerate(model: Model, provenance: Provenance) -> Media:
    """Generates the medium again. Raises ValueError if an attached file is missing or changed."""
    *before, last = (with_sampling(turn, provenance.sampling) for turn in provenance.turns)
    media: list[Media] = []
    read = open_once(open_attached, media)
    messages = [Message(m.role, open_parts(m.content, read)) for m in provenance.given]
    for turn in before:
        question = Message("user", open_parts(turn.question, read))
        answer = rebuild_answer(model, turn, turn.request(messages, question), media)
        messages += [question, answer]
    question = Message("user", open_parts(last.question, read))
    request = last.request(messages, question)
    return generate_parts(model, request, {provenance.part})[provenance.part]


def with_sampling(turn: SavedTurn, sampling: Sampling) -> SavedTurn:
    """The turn with all settings of its sampling, whatever the model does now."""
    settings = turn.options.over(sampling).model_dump()
    return turn.model_copy(update={"options": turn.options.model_copy(update=settings)})


def open_attached(saved: SavedMedium) -> Media:
    """Reads a medium that the user attached. Raises ValueError."""
    if saved.path is None:
        raise ValueError(f"the attached {saved.type} is needed, but it did not come from a file")
    media = read_media(saved.path)
    if content_hash(media) != saved.sha256:
        raise MediaError(f"{printable(saved.path)}: is no longer the {saved.type} it was then")
    return media


def rebuild_answer(model: Model, turn: SavedTurn, request: Request, media: list[Media]) -> Message:
    """An earlier answer: its saved text, with its media generated again and added to `media`."""
    parts = [info.part for info in turn.made]
    generated = generate_parts(model, request, set(parts))
    remaining = iter(parts)
    open_next = open_once(lambda _: generated[next(remaining)], media)
    return Message("assistant", open_parts(turn.answer, open_next))


def generate_parts(model: Model, request: Request, parts: Set[int]) -> dict[int, Media]:
    """These media of an answer, by index. Raises ValueError if the model does not make them."""
    if not parts:
        return {}
    # A deadline decides only whether a medium is part of the answer, not its content.
    patient = request.options.model_copy(update={"deadline": None})
    generated: dict[int, Media] = {}
    for event in model.answer(replace(request, options=patient)):
        if isinstance(event, MediaDone) and event.part in parts:
            generated[event.part] = event.media
        if generated.keys() == parts:
            return generated
    raise ValueError("the model no longer makes this medium: its weights have changed")


def write_regenerated(media: Media, source: Path, out: Path) -> tuple[Path, bool]:
    """Writes the medium into `out` under the name of `source`; also, if the bytes are the same.

    Raises ValueError if `out` holds another file of that name, OSError if it cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    path, expected = out / source.name, source.read_bytes()
    with replacing(path) as temporary:
        write_media(media, temporary, read_comment(source))
        written = temporary.read_bytes()
        if path.exists() and path.read_bytes() != written:
            raise ValueError(f"{printable(path)}: exists and differs; choose another --out")
    return path, written == expected

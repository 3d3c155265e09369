"""Dialogues: records whose media have been rendered or read from files."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from anygen.core.media import Audio, Image, Media, Message, Part, Video, modality_of
from anygen.core.modality import MediaModality
from anygen.core.records import Record, TextContent
from anygen.io.media_files import read_media
from mosit_data.world.language.hard_negatives import hard_negatives
from mosit_data.world.render import render
from mosit_data.world.scene import caption, parse_scene

PLACEHOLDERS: Mapping[MediaModality, Media] = {  # stand for media without pixels
    "image": Image(torch.zeros(3, 1, 1, dtype=torch.uint8)),
    "audio": Audio(torch.zeros(1, 1), 1),
    "video": Video(torch.zeros(1, 3, 1, 1, dtype=torch.uint8), 1.0),
}


@dataclass(frozen=True, eq=False)
class Dialogue:
    """Messages to learn from. The keys of its tables are positions among all of its media."""

    messages: Sequence[Message]
    captions: dict[int, str] = field(default_factory=dict)
    hard_negatives: dict[int, list[str]] = field(default_factory=dict)  # similar wrong captions
    features: dict[int, Tensor] = field(default_factory=dict)  # (K, W), of media without pixels
    unseen: frozenset[int] = frozenset()  # media of which only the caption is known
    plain: bool = False  # the answer is the base model's own


def read_record(record: Record, read: Callable[[str], Media] = read_media) -> Dialogue:
    """Renders the scenes of a record and reads its files.

    The hard negatives of a scene are drawn with the record's id as the seed; files have none.
    Raises ValueError for a medium of another modality than its type, and for a `ref` to none.
    """
    messages, captions, negatives = [], {}, {}
    media: list[Media] = []
    unseen: set[int] = set()
    rng = random.Random(record.id)
    for turn in record.messages:
        parts: list[Part] = []
        for content in turn.content:
            if isinstance(content, TextContent):
                parts.append(content.text)
                continue
            index, scene = len(media), parse_scene(content.scene) if content.scene else None
            if content.is_caption_only:
                unseen.add(index)
                medium = PLACEHOLDERS[content.type]
            elif content.ref is not None:
                medium = earlier_medium(content.ref, media, unseen)
            else:
                medium = render(scene) if scene else read(content.path or "")
            if modality_of(medium) != content.type:
                raise ValueError(
                    f"medium {index + 1} has the type {content.type}, and is of the modality "
                    f"{modality_of(medium)}"
                )
            parts.append(medium)
            media.append(medium)
            if content.caption is not None:
                captions[index] = content.caption
                similar = hard_negatives(scene, rng) if scene else []
                negatives[index] = [caption(negative) for negative in similar]
        messages.append(Message(turn.role, tuple(parts)))
    return Dialogue(messages, captions, negatives, unseen=frozenset(unseen))


def earlier_medium(ref: int, media: Sequence[Media], unseen: set[int]) -> Media:
    """The medium that a `ref` names. Raises ValueError if there is none, or no file of it."""
    if ref > len(media):
        raise ValueError(f"ref {ref}: there is no medium {ref} before")
    if ref - 1 in unseen:
        raise ValueError(f"ref {ref}: of medium {ref} only the caption is known")
    return media[ref - 1]

"""Dialogues: records whose media have been rendered or read from files."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from anygen.core.media import Media, Message, Part, modality_of
from anygen.core.records import Record, TextContent
from anygen.io.media_files import read_media
from mosit_data.world.language.hard_negatives import hard_negatives
from mosit_data.world.render import render
from mosit_data.world.scene import caption, parse_scene


@dataclass(frozen=True, eq=False)
class Dialogue:
    """Messages to learn from. The keys of its tables are positions among all of its media."""

    messages: Sequence[Message]
    captions: dict[int, str] = field(default_factory=dict)
    hard_negatives: dict[int, list[str]] = field(default_factory=dict)  # similar wrong captions
    features: dict[int, Tensor] = field(default_factory=dict)  # (K, W), of media without pixels
    plain: bool = False  # the answer is the base model's own


def read_record(record: Record, read: Callable[[str], Media] = read_media) -> Dialogue:
    """Renders the scenes of a record and reads its files.

    The hard negatives of a scene are drawn with the record's id as the seed; files have none.
    Raises ValueError for a medium of another modality than its type.
    """
    messages, captions, negatives, index = [], {}, {}, 0
    rng = random.Random(record.id)
    for turn in record.messages:
        parts: list[Part] = []
        for content in turn.content:
            if isinstance(content, TextContent):
                parts.append(content.text)
                continue
            scene = parse_scene(content.scene) if content.scene else None
            medium = render(scene) if scene else read(content.path or "")
            if modality_of(medium) != content.type:
                raise ValueError(
                    f"record {record.id}: medium {index + 1} has the type {content.type}, and is "
                    f"of the modality {modality_of(medium)}"
                )
            parts.append(medium)
            if content.caption is not None:
                captions[index] = content.caption
                similar = hard_negatives(scene, rng) if scene else []
                negatives[index] = [caption(negative) for negative in similar]
            index += 1
        messages.append(Message(turn.role, tuple(parts)))
    return Dialogue(messages, captions, negatives)

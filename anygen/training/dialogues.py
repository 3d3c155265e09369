"""Dialogues: records with their media read."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from anygen.core.media import Message, Part
from anygen.core.records import Record, TextContent
from mosit_data.world.language.hard_negatives import hard_negatives
from mosit_data.world.render import render
from mosit_data.world.scene import caption, parse_scene


@dataclass(frozen=True, eq=False)
class Dialogue:
    """Messages with their media; `captions` by the index of the medium among all media.

    `misses` are captions that a medium must not be taken for, where any are known.
    `features` (K, W) stand for media that exist only as the encoder sees them: prototypes.
    """

    messages: Sequence[Message]
    captions: dict[int, str] = field(default_factory=dict)
    misses: dict[int, list[str]] = field(default_factory=dict)
    features: dict[int, Tensor] = field(default_factory=dict)
    plain: bool = False  # answered by the base model itself


def read_record(record: Record, read_media: Any = None) -> Dialogue:
    """A record of the small world with its scenes rendered, or files read by `read_media`."""
    messages, captions, misses, media = [], {}, {}, 0
    rng = random.Random(record.id)
    for turn in record.messages:
        parts: list[Part] = []
        for content in turn.content:
            if isinstance(content, TextContent):
                parts.append(content.text)
                continue
            scene = parse_scene(content.scene) if content.scene else None
            parts.append(render(scene) if scene else read_media(content.path))
            if content.caption is not None:
                captions[media] = content.caption
                misses[media] = (
                    [caption(miss) for miss in hard_negatives(scene, rng)] if scene else []
                )
            media += 1
        messages.append(Message(turn.role, tuple(parts)))
    return Dialogue(messages, captions, misses)

"""Turns of a dialogue as messages of a record."""

import random

from anygen.core.records import Content, MediaContent, Record, RecordMessage, TextContent
from mosit_data.world.scene import Scene, caption, parse_scene

Turns = list[RecordMessage]


def user(*parts: str | Scene) -> RecordMessage:
    return RecordMessage(role="user", content=[content(part) for part in parts])


def assistant(*parts: str | Scene) -> RecordMessage:
    """Its media carry captions, from which the decoders' conditions are learned."""
    return RecordMessage(
        role="assistant", content=[content(part, captioned=True) for part in parts]
    )


def content(part: str | Scene, captioned: bool = False) -> Content:
    if isinstance(part, str):
        return TextContent(text=part)
    text = caption(part) if captioned else None
    return MediaContent(type=part.type, scene=part.model_dump(mode="json"), caption=text)


def shuffled(rng: random.Random, scene: Scene, words: str) -> tuple[str | Scene, str | Scene]:
    """A medium and the text about it, usually in this order."""
    return (scene, words) if rng.random() < 0.7 else (words, scene)


def record(rng: random.Random, turns: Turns) -> Record:
    return Record(id=f"world-{rng.getrandbits(48):012x}", messages=turns)


def scenes(turns: Turns) -> list[Scene]:
    """The scenes of all media in a dialogue."""
    contents = [content for turn in turns for content in turn.content]
    return [parse_scene(c.scene) for c in contents if isinstance(c, MediaContent) and c.scene]

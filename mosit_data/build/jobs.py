"""Plan: what each dialogue is to be about, before anything is written."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from anygen.core.modality import MediaModality
from anygen.core.schema import Strict
from anygen.io.media_files import printable
from anygen.io.paths import read_file
from mosit_data.world.language.kinds.scenes import portrait, requested_scene
from mosit_data.world.scene import Scene, Split, caption, in_split
from mosit_data.world.sprites import concept_names
from mosit_data.world.vocabulary import SOUND_OF, plural

HELD_OUT = 0.05  # share of the jobs, which get scenes and phrasings of the held-out split
SHOWN = 0.25  # chance of a further medium, which the user shows and asks about
MAX_MADE = 3  # media that the assistant makes
TRIES = 100  # to find a scene of the split whose caption is not that of another one

# Those of NExT-GPT, and the one that it defines and never runs.
MIXES: tuple[tuple[MediaModality, ...], ...] = (
    ("image",),
    ("audio",),
    ("video",),
    ("image", "audio"),
    ("image", "video"),
    ("audio", "video"),
    ("image", "audio", "video"),
)
PERSONAS = (
    "a child",
    "a teacher",
    "a nurse after a long night",
    "a retired sailor",
    "a student before an exam",
    "a father of three",
    "a gardener",
    "a tourist",
    "a baker",
    "an engineer",
)


class Medium(Strict):
    """A scene that the dialogue may hold; the writer knows nothing of it but its caption."""

    type: MediaModality
    scene: dict[str, Any]
    caption: str
    is_shown: bool = False  # by the user; else the assistant makes it


class Job(Strict):
    """A dialogue to write."""

    id: str
    seed: int
    topic: str
    mix: tuple[MediaModality, ...]  # what the assistant makes
    persona: str  # who talks to the assistant
    split: Split
    media: tuple[Medium, ...]


def read_topics(path: Path) -> list[str]:
    """The lines of a text file. Raises ValueError if it holds none, OSError."""
    try:
        lines = read_file(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{printable(path)}: is not UTF-8") from None
    topics = [" ".join(line.split()) for line in lines if line.strip()]
    if not topics:
        raise ValueError(f"{printable(path)}: holds no topic; write one on each line")
    return topics


def plan(topics: Sequence[str], count: int, seed: int) -> Iterator[Job]:
    """Every topic in turn, with the mixes in turn; all else is drawn by the seed and the number.

    So the first jobs are the same whatever the count is.
    """
    for number in range(count):
        name = f"mosit-{number:06d}"
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        rng = random.Random(int.from_bytes(digest[:8], "big"))
        topic = topics[number % len(topics)]
        mix = MIXES[number // len(topics) % len(MIXES)]
        split: Split = "heldout" if rng.random() < HELD_OUT else "train"
        yield Job(
            id=name,
            seed=rng.getrandbits(48),
            topic=topic,
            mix=mix,
            persona=rng.choice(PERSONAS),
            split=split,
            media=tuple(draw_media(rng, topic, mix, split)),
        )


def draw_media(
    rng: random.Random, topic: str, mix: Sequence[MediaModality], split: Split
) -> Iterator[Medium]:
    """Each modality of the mix once, perhaps more of them, and perhaps one that the user shows."""
    drawn = [*mix, *rng.choices(mix, k=rng.randint(0, MAX_MADE - len(mix)))]
    rng.shuffle(drawn)
    used: set[str] = set()
    for modality in drawn:
        yield draw_medium(rng, topic, modality, split, used)
    if rng.random() < SHOWN:
        medium = draw_medium(rng, topic, rng.choice(mix), split, used)
        yield medium.model_copy(update={"is_shown": True})


def draw_medium(
    rng: random.Random, topic: str, modality: MediaModality, split: Split, used: set[str]
) -> Medium:
    """A scene of something that the topic names, if it names anything of the world."""
    named = things_in(topic, modality)
    for _ in range(TRIES):
        scene = draw_scene(rng, named, modality, split)
        if in_split(scene, split) and caption(scene) not in used:
            break
        named = []  # all of it may be in the other split
    used.add(caption(scene))
    return Medium(type=modality, scene=scene.model_dump(mode="json"), caption=caption(scene))


def draw_scene(
    rng: random.Random, named: Sequence[str], modality: MediaModality, split: Split
) -> Scene:
    if named:
        return portrait(rng, split, rng.choice(named), modality)
    return requested_scene(rng, split, modality)


def things_in(topic: str, modality: MediaModality) -> list[str]:
    words = f" {topic.lower()} "
    return [
        name
        for name in concept_names()
        if (f" {name} " in words or f" {plural(name)} " in words)
        and (modality != "audio" or name in SOUND_OF)
    ]

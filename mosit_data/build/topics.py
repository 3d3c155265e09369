"""Plan by topics: which media a dialogue about a topic may hold."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from anygen.core.modality import MEDIA, MediaModality
from anygen.io.media_files import printable
from anygen.io.paths import read_file
from mosit_data.build.jobs import Job, Medium, job_random
from mosit_data.build.presets.base import Preset, Source
from mosit_data.build.subjects import HELD_OUT, SPLITS, split_of
from mosit_data.world.language.kinds.scenes import portrait, requested_scene
from mosit_data.world.scene import Scene, Split, caption, in_split
from mosit_data.world.sprites import concept_names
from mosit_data.world.vocabulary import SOUND_OF, plural

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


def plan_topics(name: str, preset: Preset, source: Source, count: int, seed: int) -> list[Job]:
    """Every topic in turn, with the mixes in turn; all else is drawn by the seed and the number.

    So the first jobs are the same whatever the count is. Raises ValueError if there are no media.
    """
    [kind] = preset.kinds
    pools: dict[Split, Pool] = {split: pool_of(source.media, split) for split in SPLITS}
    mixes = [
        mix for mix in MIXES if serves(pools["train"], mix) and set(mix) <= set(source.modalities)
    ]
    if not mixes:
        raise ValueError("none of the media has a caption and lies in the part to train on")
    jobs = []
    for number in range(count):
        job_id = f"{name}-{number:06d}"
        rng = job_random(seed, job_id)
        topic = source.topics[number % len(source.topics)]
        mix = mixes[number // len(source.topics) % len(mixes)]
        is_held_out = rng.random() < HELD_OUT and serves(pools["heldout"], mix)
        split: Split = "heldout" if is_held_out else "train"
        job = Job(
            id=job_id,
            kind=kind.name,
            seed=rng.getrandbits(48),
            split=split,
            media=tuple(draw_media(rng, topic, mix, split, pools[split])),
            mix=mix,
            topic=topic,
            persona=rng.choice(PERSONAS),
            character=source.character,
            own_captions=source.own_captions,
        )
        jobs.append(job)
    return jobs


Pool = Mapping[MediaModality, Sequence[Medium]] | None  # None: scenes of the small world


def pool_of(media: Sequence[Medium] | None, split: Split) -> Pool:
    if media is None:
        return None
    own = [medium for medium in media if split_of(medium) == split]
    return {modality: [medium for medium in own if medium.type == modality] for modality in MEDIA}


def serves(pool: Pool, mix: Sequence[MediaModality]) -> bool:
    return pool is None or all(pool[modality] for modality in mix)


def draw_media(
    rng: random.Random, topic: str, mix: Sequence[MediaModality], split: Split, pool: Pool
) -> Iterator[Medium]:
    """Each modality of the mix once, perhaps more of them, and perhaps one that the user shows.

    Of a small pool, there may be fewer of them; no caption comes twice.
    """
    drawn = [*mix, *rng.choices(mix, k=rng.randint(0, MAX_MADE - len(mix)))]
    rng.shuffle(drawn)
    used: set[str] = set()

    def draw(modality: MediaModality) -> Iterator[Medium]:
        if pool is None:
            media = [draw_scene(rng, topic, modality, split, used)]
        else:
            media = draw_file(rng, topic, pool[modality], used)
        used.update(medium.caption for medium in media)
        yield from media

    for modality in drawn:
        yield from draw(modality)
    if rng.random() < SHOWN:
        for medium in draw(rng.choice(mix)):
            yield medium.model_copy(update={"is_shown": True})


def draw_scene(
    rng: random.Random, topic: str, modality: MediaModality, split: Split, used: set[str]
) -> Medium:
    """A scene of something that the topic names, if it names anything of the world."""
    named = things_in(topic, modality)
    for _ in range(TRIES):
        if named:
            scene: Scene = portrait(rng, split, rng.choice(named), modality)
        else:
            scene = requested_scene(rng, split, modality)
        if in_split(scene, split) and caption(scene) not in used:
            break
        named = []  # all of it may be in the other split
    return Medium(type=modality, scene=scene.model_dump(mode="json"), captions=(caption(scene),))


def draw_file(
    rng: random.Random, topic: str, media: Sequence[Medium], used: set[str]
) -> list[Medium]:
    """A file whose caption shares a word with the topic, or else any; none if all are used."""
    unused = [medium for medium in media if medium.caption not in used]
    near = [medium for medium in unused if words(topic) & words(medium.caption)]
    return [rng.choice(near or unused)] if unused else []


def words(text: str) -> set[str]:
    """Those of four letters and more, without the ending of a plural."""
    return {word.removesuffix("s") for word in re.findall(r"\w{4,}", text.lower())}


def things_in(topic: str, modality: MediaModality) -> list[str]:
    """The things of the small world that a topic names."""
    text = f" {topic.lower()} "
    return [
        name
        for name in concept_names()
        if (f" {name} " in text or f" {plural(name)} " in text)
        and (modality != "audio" or name in SOUND_OF)
    ]

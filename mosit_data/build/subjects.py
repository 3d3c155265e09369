"""Plan by media: what dialogues are about, and what is known of it.

Media come from the small world, or from files with captions: a table or a folder, as the layout
`captions` has them, with more columns if there are any:

    {"image": "k1.jpg", "captions": ["two red kites", ...],
     "instances": [{"category": "kite", "bbox": [0.1, 0.2, 0.3, 0.4]}],
     "question": "How many?", "answer": "two", "weather": "sunny"}
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, model_validator

from anygen.core.records import RecordMessage
from anygen.core.schema import explain
from mosit_data.build.jobs import Box, Job, Medium, job_random
from mosit_data.build.presets.base import Kind, Preset, Source
from mosit_data.formats.media_folder import MediaFolder
from mosit_data.formats.rows import RawRow, Refusal
from mosit_data.formats.schema import Id, Texts, as_text
from mosit_data.formats.tables import captions as captions_layout
from mosit_data.world.facts import seen_facts, sound_facts
from mosit_data.world.scene import (
    PictureScene,
    Scene,
    SoundScene,
    Split,
    Thing,
    caption,
    fully,
    in_split,
    parse_scene,
    sample_scene,
)
from mosit_data.world.sprites import SPRITE, artwork

HELD_OUT = 0.05  # share of the dialogues that get media and phrasings of the held-out split
SPLITS: tuple[Split, ...] = ("train", "heldout")


def split_of(medium: Medium) -> Split:
    """Of a scene as the small world has it, of a file by a hash of its name.

    So every set that is built holds out the same.
    """
    if medium.scene is not None:
        return "train" if in_split(parse_scene(medium.scene), "train") else "heldout"
    digest = hashlib.sha256(f"held out {medium.path}".encode()).digest()
    return "heldout" if int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT else "train"


# --- files of the user


class Instance(BaseModel):
    """A thing in a picture, as the builder of LLaVA lists them."""

    category: str
    bbox: tuple[float, float, float, float]

    @model_validator(mode="after")
    def _check_shares(self) -> Instance:
        left, top, right, bottom = self.bbox
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError("a bbox is left, top, right, bottom, in shares of width and height")
        return self


class MediumRow(captions_layout.CaptionRow):
    """A medium with all that is known of it."""

    id: Id = ""
    caption: str = Field("", validation_alias=captions_layout.CAPTION)
    captions: Texts = []
    instances: list[Instance] = []

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        raise NotImplementedError

    def to_medium(self, media: MediaFolder, labels: dict[str, str]) -> Medium:
        """Raises ValueError without exactly one file, or without a caption."""
        modality, value = self.named_medium()
        texts = [text.strip() for text in (self.caption, *self.captions) if text.strip()]
        if not texts:
            raise ValueError("the row has no caption")
        return Medium(
            type=modality,
            path=media.locate(value),
            captions=tuple(dict.fromkeys(texts)),
            boxes=tuple(Box(name=i.category, corners=i.bbox) for i in self.instances),
            labels=labels,
        )


KNOWN = {"id", "image", "video", "audio", "caption", "text", "captions", "instances"}
KNOWN |= set(captions_layout.FILES)


def read_media(path: Path, out: Path) -> Iterator[Medium | Refusal]:
    """The media of a folder or a table; their paths are relative to the folder `out`.

    Raises ValueError if there is neither, OSError.
    """
    root = path if path.is_dir() else path.parent
    folder = MediaFolder(root, out, out / "media")
    for raw in captions_layout.rows(path, folder):
        yield medium_of(raw, folder)


def medium_of(raw: RawRow, folder: MediaFolder) -> Medium | Refusal:
    try:
        if raw.error:
            raise ValueError(raw.error)
        row = MediumRow.model_validate(raw.data)
        labels = {key: label(value) for key, value in raw.data.items() if key not in KNOWN}
        return row.to_medium(folder, {key: value for key, value in labels.items() if value})
    except ValueError as error:
        return Refusal(raw.place, raw.name, explain(error).splitlines()[0])


def label(value: Any) -> str:
    text = as_text(value)
    return text.strip() if isinstance(text, str) else ""


# --- scenes of the small world


def scene_medium(scene: Scene) -> Medium:
    full = caption(fully(scene))
    return Medium(
        type=scene.type,
        scene=scene.model_dump(mode="json"),
        captions=tuple(dict.fromkeys((full, caption(scene)))),
        boxes=tuple(boxes_of(scene)) if isinstance(scene, PictureScene) else (),
        labels=labels_of(scene),
    )


def labels_of(scene: Scene) -> dict[str, str]:
    """The facts that have a single value."""
    names: tuple[str, ...] = ("background", "style", "thing", "motion", "count")
    if isinstance(scene, SoundScene):
        return {k: v for k, v in sound_facts(scene).items() if v and k in SOUND_LABELS}
    if isinstance(scene, PictureScene) and scene.relation:
        names = ("background", "style")
    return {k: v for k, v in seen_facts(scene).items() if v and k in names}


SOUND_LABELS = ("sound", "pattern", "tempo")


def boxes_of(scene: PictureScene) -> Iterator[Box]:
    """Around the visible pixels of each thing, cut off at the sides."""
    for thing in scene.things:
        left, top, right, bottom = extent(thing, scene.style)
        corners = (
            round(max(0.0, thing.x + left), 2),
            round(max(0.0, thing.y + top), 2),
            round(min(1.0, thing.x + right), 2),
            round(min(1.0, thing.y + bottom), 2),
        )
        yield Box(name=thing.concept, corners=corners)


def extent(thing: Thing, style: str) -> tuple[float, float, float, float]:
    """How far the visible pixels reach from the middle, in widths of the picture."""
    drawing = artwork(thing.concept, style, thing.colour)
    if thing.angle:
        drawing = drawing.rotate(thing.angle, expand=True)
    box = drawing.getbbox(alpha_only=True) or (0, 0, *drawing.size)
    width, height = drawing.size
    scale = thing.size / SPRITE
    return tuple(  # type: ignore[return-value]
        (edge - half) * scale for edge, half in zip(box, (width / 2, height / 2) * 2)
    )


# --- the plan


def fault_of(medium: Medium, preset: Preset) -> str:
    """Why the preset cannot use a medium; empty if it can."""
    count = sum(len(text.split()) for text in medium.captions)
    if medium.type not in preset.modalities:
        return f"is {medium.type}; this preset is for {', '.join(preset.modalities)}"
    if count < preset.min_words:
        return f"its captions have {count} words, too few to write of; {preset.min_words} do"
    return ""


def plan_media(name: str, preset: Preset, source: Source, count: int, seed: int) -> list[Job]:
    """Kinds of dialogues by their shares, each about a medium; the small world has one for each.

    Files come in turn, each once before any comes again, so that a held-out share of the files has
    the same share of the dialogues.
    """
    files = None if source.media is None else endless(source.media, job_random(seed, "files"))
    jobs = []
    for number in range(count):
        job_id = f"{name}-{number:06d}"
        rng = job_random(seed, job_id)
        medium = world_medium(rng, preset) if files is None else next(files)
        jobs.append(job_about(job_id, rng, choose_kind(rng, preset, medium), medium))
    return jobs


def job_about(name: str, rng: random.Random, kind: Kind, medium: Medium) -> Job:
    """A dialogue about a medium that the user shows."""
    return Job(
        id=name,
        kind=kind.name,
        seed=rng.getrandbits(48),
        split=split_of(medium),
        media=(medium.model_copy(update={"is_shown": True}),),
        source=medium.path,
    )


def choose_kind(rng: random.Random, preset: Preset, medium: Medium) -> Kind:
    """Raises ValueError if no kind of the preset suits the medium."""
    shares = {kind: share for kind, share in preset.kinds.items() if kind.suits(medium)}
    if not shares:
        raise ValueError(f"{medium.path or medium.caption}: no kind of dialogue suits it")
    return rng.choices(list(shares), list(shares.values()))[0]


def endless(media: Sequence[Medium], rng: random.Random) -> Iterator[Medium]:
    """All of them, in another order each time."""
    while True:
        yield from rng.sample(media, len(media))


def world_medium(rng: random.Random, preset: Preset) -> Medium:
    split: Split = "heldout" if rng.random() < HELD_OUT else "train"
    return scene_medium(sample_scene(rng.choice(preset.modalities), rng, split))

"""Scenes: a picture, a sound or a video as a small program, its caption and its split.

`sample_scene` draws one, `caption` describes it, and `mosit_data.world.render` renders it.
`scene.model_dump()` makes JSON of a scene, and `parse_scene` reads it.
Some combinations (`combinations`) are held out: no training scene contains one of them.
"""

import hashlib
import math
import random
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from anygen.core.modality import MediaModality
from anygen.core.schema import Strict
from mosit_data.world.sprites import concept_names
from mosit_data.world.vocabulary import (
    COLOURS,
    COUNTS,
    MOTIONS,
    PATTERNS,
    PITCHES,
    RELATIONS,
    SOUNDS,
    STYLES,
    TEMPI,
    article,
    plural,
    with_article,
)

Split = Literal["train", "heldout"]
Mention = Literal["style", "background", "size", "pattern", "pitch", "tempo"]

NORMAL = 64  # pixels: sizes below are for a picture of this side
HELD_OUT = {"picture": 0.10, "pair": 0.10, "colour": 0.10, "sound": 0.12, "motion": 0.10}
MENTIONED: dict[Mention, float] = {
    "style": 0.7,
    "background": 0.75,
    "size": 0.9,
    "pattern": 0.85,
    "pitch": 0.75,
    "tempo": 0.75,
}
MOVING_PIXELS = {"growing": 52, "shrinking": 52, "spinning": 40}  # others as in pairs
PICTURE_MIX = {"centred": 36, "related": 36, "counted": 13, "anywhere": 15}
COLOURED = 0.25  # share of things in another colour than their usual one
# Few sizes and places, so that a small denoiser meets the same latents again and again.
SIZES = {"small": 24, "normal": 44, "large": 58}  # pixels
PAIRED = 28  # pixels, of each of two objects
PLACES = {  # of things that are counted
    2: ((0.25, 0.5), (0.75, 0.5)),
    3: ((0.5, 0.25), (0.25, 0.75), (0.75, 0.75)),
    4: ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)),
}
GRID = 8  # places along each side where an object can be


class Thing(Strict):
    """One object in a picture."""

    concept: str
    x: float = Field(ge=0, le=1)  # of its middle, from the left, in widths of the picture
    y: float = Field(ge=0, le=1)  # from the top
    size: float = Field(gt=0, le=1)  # its longer side, in widths of the picture
    angle: float = 0.0  # degrees, counter-clockwise
    colour: str | None = None  # a name of COLOURS; None: as it usually is, and not in the caption


class Drawn(Strict):
    """The fields that pictures and videos share."""

    style: str
    background: str
    shade: float = 1.0  # the background's brightness is multiplied by this
    mentions: tuple[Mention, ...] = ()  # what the caption mentions


class PictureScene(Drawn):
    type: Literal["image"] = "image"
    things: tuple[Thing, ...] = Field(min_length=1, max_length=4)
    relation: str | None = None  # of the first thing to the second


class SoundScene(Strict):
    """A melody has a pattern, a pitch and a tempo; the drum kit has no pitch, an effect none."""

    type: Literal["audio"] = "audio"
    sound: str
    pattern: str | None = None
    pitch: str | None = None
    tempo: str | None = None
    transpose: int = 0  # semitones, within the pitch
    velocity: int = Field(default=100, ge=1, le=127)  # how hard it is played
    mentions: tuple[Mention, ...] = ()


class VideoScene(Drawn):
    type: Literal["video"] = "video"
    thing: Thing  # at half time, in its largest size
    motion: str
    reach: float = Field(default=1.0, gt=0, le=1)  # how far it moves, 1 being as far as possible


Scene = PictureScene | SoundScene | VideoScene
SCENE: TypeAdapter[Scene] = TypeAdapter(Annotated[Scene, Field(discriminator="type")])


def parse_scene(data: dict[str, Any]) -> Scene:
    """The scene of a record. Raises ValueError (pydantic's) if a field is invalid."""
    return SCENE.validate_python(data)


# --- captions ---


def caption(scene: Scene) -> str:
    """A description of what the scene mentions: "a flat cat on a blue background"."""
    if isinstance(scene, SoundScene):
        return sound_caption(scene)
    place = f" on {article(scene.background)} background" if "background" in scene.mentions else ""
    if isinstance(scene, VideoScene):
        return f"{article(described(scene, scene.thing))} {scene.motion}{place}"
    first, last = scene.things[0], scene.things[-1]
    if scene.relation:
        both = [article(described(scene, thing)) for thing in (first, last)]
        return f" {scene.relation} ".join(both) + place
    if len(scene.things) > 1:
        count, _ = COUNTS[len(scene.things)]
        return f"{count} {plural(described(scene, first))}{place}"
    return article(described(scene, first)) + place


def fully(scene: Scene) -> Scene:
    """The scene with a caption that mentions everything."""
    if isinstance(scene, SoundScene):
        names: tuple[Mention, ...] = ("pattern", "pitch", "tempo")
    else:
        single = isinstance(scene, PictureScene) and len(scene.things) == 1
        names = ("style", "background", "size") if single else ("style", "background")
    return scene.model_copy(update={"mentions": names})


def described(scene: PictureScene | VideoScene, thing: Thing) -> str:
    """A thing with its adjectives: "small upside-down 3d blue dog"."""
    size = size_word(thing) if "size" in scene.mentions else ""
    style = scene.style if "style" in scene.mentions else ""
    words = (size, angle_word(thing), style, thing.colour, thing.concept)
    return " ".join(word for word in words if word)


def size_word(thing: Thing) -> str:
    """`small`, `large`, or empty for the normal size."""
    pixels = thing.size * NORMAL
    if pixels <= 28:
        return "small"
    return "large" if pixels >= 54 else ""


def angle_word(thing: Thing) -> str:
    """`tilted`, `upside-down`, or empty if the thing is nearly upright."""
    rotation = abs((thing.angle + 180) % 360 - 180)
    if rotation <= 25:
        return ""
    return "upside-down" if rotation >= 150 else "tilted"


def sound_caption(scene: SoundScene) -> str:
    pitch = scene.pitch if "pitch" in scene.mentions and scene.pitch != "middle" else None
    tempo = scene.tempo if "tempo" in scene.mentions else None
    words = " ".join(word for word in (pitch, tempo, scene.sound) if word)
    sound = with_article(scene.sound, words)
    if not scene.pattern:
        return f"the sound of {sound}"
    return f"{sound} playing {PATTERNS[scene.pattern][0]}" if "pattern" in scene.mentions else sound


# --- what is held out ---


def combinations(scene: Scene) -> list[tuple[str, ...]]:
    """The combinations in a scene, each as (kind, names); the one that defines it comes first."""
    if isinstance(scene, SoundScene):
        return [("sound", scene.sound, scene.pattern)] if scene.pattern else []
    if isinstance(scene, VideoScene):
        concept = scene.thing.concept
        looks = ("picture", concept, scene.style, scene.background)
        return [("motion", concept, scene.motion), *colours_of((scene.thing,)), looks]
    concepts = sorted({thing.concept for thing in scene.things})
    pair = [("pair", *concepts)] if scene.relation else []
    pictures = [("picture", concept, scene.style, scene.background) for concept in concepts]
    return pair + colours_of(scene.things) + pictures


def has_usual_colours(scene: Scene) -> bool:
    """Whether no thing is in another colour than its usual one."""
    if isinstance(scene, SoundScene):
        return True
    things = scene.things if isinstance(scene, PictureScene) else (scene.thing,)
    return not any(thing.colour for thing in things)


def usual_scene(modality: MediaModality, rng: random.Random, split: Split = "train") -> Scene:
    """A random scene whose things are in their usual colours, which judges know."""
    while True:
        scene = sample_scene(modality, rng, split)
        if has_usual_colours(scene):
            return scene


def colours_of(things: Sequence[Thing]) -> list[tuple[str, ...]]:
    coloured = {(thing.concept, thing.colour) for thing in things if thing.colour}
    return [("colour", concept, colour) for concept, colour in sorted(coloured)]


def is_held_out(combination: tuple[str, ...]) -> bool:
    """Decided by a hash of the names. The drum kit's only pattern is never held out."""
    if combination[-1] == "beat":
        return False
    digest = hashlib.sha256("|".join(combination).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT[combination[0]]


def in_split(scene: Scene, split: Split) -> bool:
    """Training scenes contain nothing held out; of held-out scenes the first combination is."""
    held = [is_held_out(combination) for combination in combinations(scene)]
    return not any(held) if split == "train" else any(held[:1])


# --- sampling ---


def sample_scene(
    modality: MediaModality, rng: random.Random, split: Split = "train", full: bool = False
) -> Scene:
    """A random scene of a split; `full` draws from some 780 concepts instead of 64."""
    concepts = concept_names(full)
    while True:
        scene = SAMPLERS[modality](rng, concepts)
        if in_split(scene, split) and is_visible(scene):
            return scene


def is_visible(scene: Scene) -> bool:
    """Whether no thing has the colour of its background."""
    if isinstance(scene, SoundScene):
        return True
    things = scene.things if isinstance(scene, PictureScene) else (scene.thing,)
    return all(thing.colour != scene.background for thing in things)


def sample_picture(rng: random.Random, concepts: tuple[str, ...]) -> PictureScene:
    return PICTURES[rng.choices(list(PICTURE_MIX), list(PICTURE_MIX.values()))[0]](rng, concepts)


def centred(rng: random.Random, concepts: tuple[str, ...]) -> PictureScene:
    """One object in the middle, usually of the normal size."""
    size = rng.choices(["normal", "small", "large"], [76, 12, 12])[0]
    thing = coloured(rng, place(rng.choice(concepts), (0.5, 0.5), SIZES[size]))
    return PictureScene(things=(thing,), **look(rng))


def related(rng: random.Random, concepts: tuple[str, ...]) -> PictureScene:
    """Two objects side by side, or one above the other."""
    first, second = rng.sample(concepts, 2)
    relation = rng.choice(list(RELATIONS))
    near, far = (0.25, 0.5), (0.75, 0.5)
    if relation in ("above", "below"):
        near, far = (0.5, 0.25), (0.5, 0.75)
    if relation in ("to the right of", "below"):
        near, far = far, near
    places = ((first, near), (second, far))
    things = tuple(coloured(rng, place(concept, middle, PAIRED)) for concept, middle in places)
    return PictureScene(things=things, relation=relation, **look(rng, unsaid=("size",)))


def counted(rng: random.Random, concepts: tuple[str, ...]) -> PictureScene:
    """Two of the same side by side, three in a triangle, or four in a square."""
    first, *others = PLACES[rng.choice(list(PLACES))]
    thing = coloured(rng, place(rng.choice(concepts), first, SIZES["small"]))
    things = (thing, *(thing.model_copy(update={"x": x, "y": y}) for x, y in others))
    return PictureScene(things=things, **look(rng, unsaid=("size",)))


def anywhere(rng: random.Random, concepts: tuple[str, ...]) -> PictureScene:
    """One object as in a frame of a video: of any size, at any place and angle."""
    pixels = rng.choice([*SIZES.values(), PAIRED])
    margin = math.ceil(pixels / NORMAL / 2 * GRID)
    middle = (rng.randint(margin, GRID - margin) / GRID, rng.randint(margin, GRID - margin) / GRID)
    angle = 22.5 * rng.randint(-8, 8) if rng.random() < 0.4 else 0.0
    thing = coloured(rng, place(rng.choice(concepts), middle, pixels, angle))
    return PictureScene(things=(thing,), **look(rng))


PICTURES: dict[str, Callable[[random.Random, tuple[str, ...]], PictureScene]] = {
    "centred": centred,
    "related": related,
    "counted": counted,
    "anywhere": anywhere,
}


def place(concept: str, middle: tuple[float, float], pixels: float, angle: float = 0.0) -> Thing:
    x, y = middle
    return Thing(concept=concept, x=x, y=y, size=pixels / NORMAL, angle=angle)


def coloured(rng: random.Random, thing: Thing) -> Thing:
    """The thing, sometimes in another colour."""
    if rng.random() >= COLOURED:
        return thing
    return thing.model_copy(update={"colour": rng.choice(list(COLOURS))})


def look(rng: random.Random, unsaid: tuple[Mention, ...] = ()) -> dict[str, Any]:
    """The fields of `Drawn`."""
    return {
        "style": rng.choice(list(STYLES)),
        "background": rng.choice(list(COLOURS)),
        "shade": round(rng.uniform(0.94, 1.04), 3),
        "mentions": mention(rng, ("style", "background", "size"), unsaid),
    }


def mention(
    rng: random.Random, names: tuple[Mention, ...], unsaid: tuple[Mention, ...] = ()
) -> tuple[Mention, ...]:
    """Those of `names` that the caption will mention."""
    mentioned = [name for name in names if rng.random() < MENTIONED[name]]
    return tuple(name for name in mentioned if name not in unsaid)


def sample_sound(rng: random.Random, _concepts: tuple[str, ...]) -> SoundScene:
    return sound_scene(rng, rng.choice(list(SOUNDS)))


def sound_scene(rng: random.Random, name: str) -> SoundScene:
    """A random clip of one sound."""
    sound = SOUNDS[name]
    melodic = len(sound.patterns) > 1
    return SoundScene(
        sound=name,
        pattern=rng.choice(sound.patterns) if sound.patterns else None,
        pitch=rng.choice(list(PITCHES)) if melodic else None,
        tempo=rng.choice(list(TEMPI)) if sound.patterns else None,
        transpose=rng.randint(-3, 3),
        velocity=rng.randint(80, 120),
        mentions=mention(rng, ("pattern", "pitch", "tempo")),
    )


def sample_video(rng: random.Random, concepts: tuple[str, ...]) -> VideoScene:
    return video_scene(rng, rng.choice(concepts), rng.choice(list(MOTIONS)))


def video_scene(rng: random.Random, concept: str, motion: str) -> VideoScene:
    """A random clip of one concept and one motion."""
    thing = coloured(rng, place(concept, (0.5, 0.5), MOVING_PIXELS.get(motion, PAIRED)))
    return VideoScene(thing=thing, motion=motion, **look(rng, unsaid=("size",)))


SAMPLERS: dict[MediaModality, Callable[[random.Random, tuple[str, ...]], Any]] = {
    "image": sample_picture,
    "audio": sample_sound,
    "video": sample_video,
}

"""Scenes as people request them: often by nothing but a name."""

import random
from collections.abc import Callable
from functools import cache

from anygen.core.modality import MediaModality
from mosit_data.world.language.english.words.motions import DRIVING, FLYING, SWIMMING
from mosit_data.world.scene import (
    PictureScene,
    Scene,
    SoundScene,
    Split,
    VideoScene,
    centred,
    counted,
    in_split,
    is_held_out,
    is_visible,
    related,
    sample_scene,
    sound_scene,
    video_scene,
)
from mosit_data.world.sprites import concept_names
from mosit_data.world.vocabulary import CONCEPT, MOTIONS, SOUND_OF

MIX: dict[MediaModality, float] = {"image": 46, "audio": 27, "video": 27}
BARE = 0.4  # share of the requests that only name a thing
KEPT = 0.6  # chance of every other attribute, in requests for more
TRIES = 300

# How a thing moves if nobody says how: the first one that is not held out.
USUAL_MOTIONS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("rocket", "balloon", "sun"), ("moving up", "growing", "moving right")),
    (FLYING, ("moving right", "moving up", "moving left")),
    (SWIMMING, ("moving right", "moving left", "moving up")),
    (DRIVING, ("moving right", "moving left", "moving up")),
    (("tree", "flower", "mushroom", "cactus", "fire"), ("growing", "bouncing", "spinning")),
    (("snowman",), ("shrinking", "bouncing", "moving left")),
)


def pick_modality(rng: random.Random) -> MediaModality:
    return rng.choices(list(MIX), list(MIX.values()))[0]


def draw(split: Split, make: Callable[[], Scene]) -> Scene:
    """A scene of the split. If there is none, any: whoever needs the split draws again."""
    for _ in range(TRIES):
        scene = make()
        if in_split(scene, split) and is_visible(scene):
            break
    return scene


def requested_scene(
    rng: random.Random, split: Split, modality: MediaModality | None = None
) -> Scene:
    kind = modality or pick_modality(rng)
    chance = rng.random()

    def make() -> Scene:
        scene = sample_scene(kind, rng, split)
        if chance < BARE and not (isinstance(scene, PictureScene) and scene.relation):
            return bare(rng, scene)
        kept = tuple(name for name in scene.mentions if rng.random() < KEPT)
        return scene.model_copy(update={"mentions": kept})

    scene = draw(split, make)
    while isinstance(scene, PictureScene) and scene.things[0].angle and rng.random() < 0.6:
        scene = draw(split, make)
    return scene


def bare(rng: random.Random, scene: Scene) -> Scene:
    """The scene without any attribute in its caption; seldom with the colour of its thing."""
    if not isinstance(scene, SoundScene) and rng.random() < 0.8:
        scene = usual_colour(scene)
    return unmentioned(scene)


def unmentioned(scene: Scene) -> Scene:
    return scene.model_copy(update={"mentions": ()})


def usual_colour(scene: Scene) -> Scene:
    """The scene with things in the colours that they usually have."""
    if isinstance(scene, PictureScene):
        things = tuple(thing.model_copy(update={"colour": None}) for thing in scene.things)
        return scene.model_copy(update={"things": things})
    if isinstance(scene, VideoScene):
        return scene.model_copy(update={"thing": scene.thing.model_copy(update={"colour": None})})
    return scene


def pair_scene(rng: random.Random, split: Split) -> Scene:
    """Two things side by side, or one above the other."""

    def make() -> Scene:
        scene = related(rng, concept_names())
        kept = tuple(name for name in scene.mentions if rng.random() < KEPT)
        return scene.model_copy(update={"mentions": kept if rng.random() < 0.6 else ()})

    return draw(split, make)


def counted_scene(rng: random.Random, split: Split, concept: str | None = None) -> Scene:
    """Two to four of the same."""

    def make() -> Scene:
        scene = counted(rng, (concept,) if concept else concept_names())
        if rng.random() < 0.6:
            return bare(rng, scene)
        return scene.model_copy(
            update={"mentions": tuple(m for m in scene.mentions if rng.random() < KEPT)}
        )

    return draw(split, make)


def portrait(
    rng: random.Random, split: Split, concept: str, modality: MediaModality, motion: str = ""
) -> Scene:
    """A thing as a picture, as its sound or as a video; its caption only names it."""

    def make() -> Scene:
        if modality == "audio":
            return unmentioned(sound_scene(rng, SOUND_OF[concept]))
        if modality == "image":
            return unmentioned(usual_colour(centred(rng, (concept,))))
        moving = motion or usual_motion(concept, split) or rng.choice(list(MOTIONS))
        return unmentioned(usual_colour(video_scene(rng, concept, moving)))

    return draw(split, make)


@cache
def usual_motion(concept: str, split: Split) -> str | None:
    """How the thing moves when the user leaves it open."""
    preferred = [m for concepts, motions in USUAL_MOTIONS if concept in concepts for m in motions]
    if CONCEPT[concept].kind == "animal":
        preferred += ["moving right", "bouncing", "moving left"]
    for motion in (*preferred, "spinning", "bouncing", *MOTIONS):
        if is_held_out(("motion", concept, motion)) == (split == "heldout"):
            return motion
    return None


@cache
def movable(split: Split) -> tuple[str, ...]:
    """The things that have a usual motion in this split."""
    return tuple(name for name in concept_names() if usual_motion(name, split))


def is_changeable(scene: Scene) -> bool:
    """Whether edits apply: to sounds, videos, and pictures of one upright thing."""
    if not isinstance(scene, PictureScene):
        return True
    return len(scene.things) == 1 and not scene.things[0].angle


def changeable(rng: random.Random, split: Split) -> Scene:
    while True:
        scene = requested_scene(rng, split)
        if is_changeable(scene):
            return scene

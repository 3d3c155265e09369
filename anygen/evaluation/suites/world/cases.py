"""What is asked in the suite `world`, and what would be right; the same for ever for one seed."""

import random
from collections.abc import Callable, Sequence

from anygen.core.media import Message
from anygen.core.modality import MEDIA, MediaModality
from anygen.core.records import MediaContent, RecordMessage
from anygen.evaluation.suites.base import Case
from anygen.training.dialogues import read_record
from mosit_data.prompts import read_prompts
from mosit_data.world.language import dialogues
from mosit_data.world.language.phrases import DESCRIBE
from mosit_data.world.render import render
from mosit_data.world.scene import (
    PictureScene,
    Scene,
    SoundScene,
    combinations,
    fully,
    in_split,
    sample_scene,
    sound_scene,
)
from mosit_data.world.vocabulary import SOUNDS

# Sounds that no training split can leave out: they have one pattern or none.
ALWAYS_KNOWN = tuple(name for name, sound in SOUNDS.items() if len(sound.patterns) < 2)


def picture(rng: random.Random, index: int) -> Case:
    """One upright thing in a look of its own."""
    return requested(rng, sampled(rng, "image", lambda s: len(s.things) == 1 and upright(s)))


def pair(rng: random.Random, index: int) -> Case:
    return requested(rng, sampled(rng, "image", lambda scene: scene.relation is not None))


def sound(rng: random.Random, index: int) -> Case:
    """Every fourth is an effect or the drum kit, of which nothing can be held out."""
    if index % 4 == 3:
        return requested(rng, sound_scene(rng, rng.choice(ALWAYS_KNOWN)))
    return requested(rng, sample_scene("audio", rng, "heldout"))


def video(rng: random.Random, index: int) -> Case:
    return requested(rng, sample_scene("video", rng, "heldout"))


def trigger(rng: random.Random, index: int) -> Case:
    """In turn: a request for one medium, for several, a question, small talk, a text prompt."""
    kinds = (dialogues.generate, dialogues.several, dialogues.understand, dialogues.talk)
    kind = index % (len(kinds) + 1)
    if kind == len(kinds):
        return Case([Message("user", (rng.choice(read_prompts("evaluation")),))])
    return opening(held_out(rng, kinds[kind]))


def object_question(rng: random.Random, index: int) -> Case:
    return questioned(rng, sampled(rng, "image", lambda s: len(s.things) == 1 and upright(s)))


def instrument_question(rng: random.Random, index: int) -> Case:
    return questioned(rng, sample_scene("audio", rng, "heldout"))


def motion_question(rng: random.Random, index: int) -> Case:
    return questioned(rng, sample_scene("video", rng, "heldout"))


def crossmodal(rng: random.Random, index: int) -> Case:
    """A picture, to be answered by the sound of it, and the other way about."""
    source = MEDIA[index % 2]  # an image or a sound
    target = MEDIA[1 - index % 2]
    while True:
        turns = dialogues.cross(rng, "heldout", "english")
        given, made = dialogues.scenes(turns)
        if (given.type, made.type) == (source, target) and is_new(given):
            return Case(opening(turns).messages, made, (target,))


def evaluation_prompt(rng: random.Random, index: int) -> Case:
    prompts = read_prompts("evaluation")
    return Case([Message("user", (prompts[index % len(prompts)],))])


# --- their parts ---


def requested(rng: random.Random, scene: Scene) -> Case:
    """A request that names everything that is scored."""
    full = fully(scene)
    text = dialogues.request(rng, full, "english")
    return Case([Message("user", (text,))], full, (full.type,))


def questioned(rng: random.Random, scene: Scene) -> Case:
    """A medium and the general question about it."""
    return Case([Message("user", (render(scene), rng.choice(DESCRIBE[scene.type])))], scene)


def sampled(
    rng: random.Random, modality: MediaModality, suits: Callable[[PictureScene], bool]
) -> Scene:
    """A held-out picture that suits."""
    while True:
        scene = sample_scene(modality, rng, "heldout")
        if isinstance(scene, PictureScene) and suits(scene):
            return scene


def upright(scene: PictureScene) -> bool:
    return all(not thing.angle for thing in scene.things)


def is_new(scene: Scene) -> bool:
    """Held out, as far as it can be."""
    return not combinations(scene) or scene_is_known(scene) or in_split(scene, "heldout")


def scene_is_known(scene: Scene) -> bool:
    return isinstance(scene, SoundScene) and scene.sound in ALWAYS_KNOWN


def held_out(rng: random.Random, kind: dialogues.Kind) -> list[RecordMessage]:
    while True:
        turns = kind(rng, "heldout", "english")
        if all(in_split(scene, "heldout") for scene in dialogues.scenes(turns)):
            return turns


def opening(turns: Sequence[RecordMessage]) -> Case:
    """The user's first turn, and the media with which it should be answered."""
    record = dialogues.record(random.Random(0), list(turns[:1]))
    answer = turns[1].content
    media = tuple(content.type for content in answer if isinstance(content, MediaContent))
    return Case(read_record(record).messages, wanted=media)

"""The cases of the suite `world`, with their right answers; a seed always gives the same cases."""

import random
from collections.abc import Callable, Sequence

from anygen.core.media import Message
from anygen.core.modality import MEDIA
from anygen.core.records import MediaContent, RecordMessage
from anygen.evaluation.judges.pixels import HUES
from anygen.evaluation.suites.base import GREEDY, Case
from anygen.generation.options import AnswerOptions
from anygen.training.dialogues import read_record
from anygen.training.text_rows import MAX_TOKENS
from mosit_data.prompts import read_prompts
from mosit_data.world.language import dialogues
from mosit_data.world.language.english.question_phrases import DESCRIBE
from mosit_data.world.language.grammar import say
from mosit_data.world.language.kinds.plain import plain_conversation
from mosit_data.world.render import render
from mosit_data.world.scene import (
    PictureScene,
    Scene,
    SoundScene,
    combinations,
    fully,
    has_usual_colours,
    in_split,
    sample_scene,
    sound_scene,
    usual_scene,
)
from mosit_data.world.vocabulary import SOUNDS

# Sounds of which nothing can be held out: they have one pattern or none.
ALWAYS_KNOWN = tuple(name for name, sound in SOUNDS.items() if len(sound.patterns) < 2)


def picture(rng: random.Random, index: int) -> Case:
    """One upright thing, with its style and background."""
    return request_case(rng, held_out_picture(rng, is_single_and_upright))


def pair(rng: random.Random, index: int) -> Case:
    return request_case(rng, held_out_picture(rng, is_pair))


def counted_picture(rng: random.Random, index: int) -> Case:
    """One to four of the same thing, in turn."""
    count = 1 + index % 4
    return request_case(rng, held_out_picture(rng, lambda scene: has_count(scene, count)))


def coloured_picture(rng: random.Random, index: int) -> Case:
    """One upright thing in one of the colours that pixels are judged by."""
    return request_case(rng, held_out_picture(rng, has_clear_colour))


def sound(rng: random.Random, index: int) -> Case:
    """Every fourth case is an effect or the drum kit, of which nothing can be held out."""
    if index % 4 == 3:
        return request_case(rng, sound_scene(rng, rng.choice(ALWAYS_KNOWN)))
    return request_case(rng, sample_scene("audio", rng, "heldout"))


def video(rng: random.Random, index: int) -> Case:
    return request_case(rng, usual_scene("video", rng, "heldout"))


def open_video(rng: random.Random, index: int) -> Case:
    """A thing and its motion alone: background and style are left open."""
    scene = usual_scene("video", rng, "heldout").model_copy(update={"mentions": ()})
    text = dialogues.request(rng, scene, "english")
    return Case([Message("user", (text,))], scene, (scene.type,))


def trigger(rng: random.Random, index: int) -> Case:
    """In turn: a request for one medium, for several, a question, small talk, a text prompt."""
    kinds = (dialogues.generate, dialogues.several, dialogues.understand, dialogues.talk)
    kind = index % (len(kinds) + 1)
    if kind == len(kinds):
        return Case([Message("user", (rng.choice(read_prompts("evaluation")),))])
    return opening(held_out(rng, kinds[kind]))


def object_question(rng: random.Random, index: int) -> Case:
    return question_case(rng, held_out_picture(rng, is_single_and_upright))


def instrument_question(rng: random.Random, index: int) -> Case:
    return question_case(rng, sample_scene("audio", rng, "heldout"))


def motion_question(rng: random.Random, index: int) -> Case:
    return question_case(rng, usual_scene("video", rng, "heldout"))


def crossmodal(rng: random.Random, index: int) -> Case:
    """A picture to be answered by its sound, and a sound to be answered by its picture."""
    source = MEDIA[index % 2]  # an image or a sound
    target = MEDIA[1 - index % 2]
    while True:
        turns = dialogues.cross(rng, "heldout", "english")
        shown, requested = dialogues.scenes(turns)
        if (shown.type, requested.type) == (source, target) and is_new(shown):
            return Case(opening(turns).messages, requested, (target,))


def evaluation_prompt(rng: random.Random, index: int) -> Case:
    """An everyday prompt; after those, questions in a conversation. Answers are greedy."""
    options = AnswerOptions(max_new_tokens=MAX_TOKENS, **GREEDY)
    prompts = read_prompts("evaluation")
    if index < len(prompts):
        return Case([Message("user", (prompts[index],))], options=options)
    turns = plain_conversation(rng, "heldout")
    return Case(read_record(dialogues.record(rng, turns)).messages, options=options)


def request_case(rng: random.Random, scene: Scene) -> Case:
    """A request that names everything that is scored."""
    full = fully(scene)
    text = dialogues.request(rng, full, "english")
    return Case([Message("user", (text,))], full, (full.type,))


def question_case(rng: random.Random, scene: Scene) -> Case:
    """A medium and the general question about it."""
    return Case([Message("user", (render(scene), say(rng, DESCRIBE[scene.type])))], scene)


def held_out_picture(rng: random.Random, suits: Callable[[PictureScene], bool]) -> Scene:
    """A held-out picture for which `suits` is true."""
    while True:
        scene = sample_scene("image", rng, "heldout")
        if isinstance(scene, PictureScene) and suits(scene):
            return scene


def is_pair(scene: PictureScene) -> bool:
    return scene.relation is not None and has_usual_colours(scene)


def has_count(scene: PictureScene, count: int) -> bool:
    upright = not scene.relation and not scene.things[0].angle
    return upright and len(scene.things) == count and has_usual_colours(scene)


def has_clear_colour(scene: PictureScene) -> bool:
    [thing, *others] = scene.things
    return thing.colour in HUES and not others and not thing.angle


def is_single_and_upright(scene: PictureScene) -> bool:
    return len(scene.things) == 1 and not scene.things[0].angle and has_usual_colours(scene)


def is_new(scene: Scene) -> bool:
    """Held out, or without any combination that could be."""
    known = isinstance(scene, SoundScene) and scene.sound in ALWAYS_KNOWN
    return not combinations(scene) or known or in_split(scene, "heldout")


def held_out(rng: random.Random, kind: dialogues.Kind) -> list[RecordMessage]:
    """A dialogue of this kind whose scenes are all held out."""
    while True:
        turns = kind(rng, "heldout", "english")
        if all(in_split(scene, "heldout") for scene in dialogues.scenes(turns)):
            return turns


def opening(turns: Sequence[RecordMessage]) -> Case:
    """The user's first turn, and the media that should answer it."""
    record = dialogues.record(random.Random(0), list(turns[:1]))
    answer = turns[1].content
    media = tuple(content.type for content in answer if isinstance(content, MediaContent))
    return Case(read_record(record).messages, expected=media)

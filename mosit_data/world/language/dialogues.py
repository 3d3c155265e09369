"""Dialogues about the small world, for the instruction tuning of mini.

Each kind of dialogue is one function of `kinds` and one row of KINDS. A medium that the assistant
generates carries a caption, which mentions only what the user asked for. Held-out dialogues contain
only media and phrasings of the held-out split, training dialogues none of them. All answers of
`sample_dialogue` are mini's own; `sample_plain` ends with a turn that the base model answers.
"""

import random
from collections.abc import Callable

from anygen.core.modality import MediaModality
from anygen.core.records import Record
from mosit_data.world.language.english.questions import described
from mosit_data.world.language.keyboard import typed
from mosit_data.world.language.kinds.changes import (
    another_thing,
    change,
    follow_up,
    make_and_ask,
    praise,
    revisit,
)
from mosit_data.world.language.kinds.near_misses import near_miss
from mosit_data.world.language.kinds.plain import plain_conversation, plain_prompt
from mosit_data.world.language.kinds.scenes import is_changeable, requested_scene
from mosit_data.world.language.kinds.several import (
    explain,
    greeting_card,
    same_thing,
    several,
    variants,
)
from mosit_data.world.language.kinds.single import (
    answer,
    any_motion,
    count,
    generate,
    pair,
    request,
    request_and_answer,
)
from mosit_data.world.language.kinds.stories import brand, comic, story
from mosit_data.world.language.kinds.talking import absent, refuse, talk
from mosit_data.world.language.kinds.understanding import ask_about, cross, understand
from mosit_data.world.language.language import Language
from mosit_data.world.language.turns import Turns, assistant, record, scenes, shuffled, user
from mosit_data.world.scene import Split, in_split, sample_scene

__all__ = [
    "KINDS",
    "Kind",
    "answer",
    "ask_about",
    "cross",
    "generate",
    "plain_prompt",
    "record",
    "request",
    "sample_caption_pair",
    "sample_dialogue",
    "sample_plain",
    "sample_request",
    "scenes",
    "several",
    "talk",
    "understand",
]

CHINESE = 0.13  # share of the dialogues that are in Chinese
SMALL_TALK = 0.04  # share of the dialogues that begin with small talk
CHANGED = 0.25  # share of the records of `sample_request` in which a change follows
IN_CONTEXT = 0.35  # share of the plain turns that follow other turns

Kind = Callable[[random.Random, Split, Language], Turns]
KINDS: dict[Language, dict[Kind, float]] = {
    "english": {
        generate: 34,
        pair: 20,
        count: 6,
        any_motion: 4,
        near_miss: 4,
        several: 18,
        same_thing: 10,
        variants: 5,
        explain: 4,
        greeting_card: 2,
        story: 10,
        comic: 2,
        brand: 1,
        change: 20,
        another_thing: 4,
        revisit: 2,
        make_and_ask: 5,
        praise: 3,
        understand: 38,
        cross: 18,
        refuse: 28,
        absent: 14,
        talk: 8,
    },
    "chinese": {
        generate: 40,
        count: 4,
        any_motion: 3,
        several: 7,
        same_thing: 4,
        variants: 2,
        explain: 3,
        story: 6,
        change: 18,
        make_and_ask: 3,
        praise: 2,
        understand: 26,
        cross: 8,
        refuse: 16,
        absent: 10,
        talk: 8,
    },
}


def sample_dialogue(rng: random.Random, split: Split = "train") -> Record:
    """One dialogue, of one to five user turns."""
    language: Language = "chinese" if rng.random() < CHINESE else "english"
    weights = KINDS[language]
    kind = rng.choices(list(weights), list(weights.values()))[0]
    while True:
        turns = kind(rng, split, language)
        if all(in_split(scene, split) for scene in scenes(turns)):
            break
    if kind is not talk and rng.random() < SMALL_TALK:
        turns = talk(rng, split, language) + turns
    return record(rng, turns)


def sample_caption_pair(modality: MediaModality, rng: random.Random, split: Split) -> Record:
    """For stage `encode`: a medium and a question, answered by the medium's caption."""
    scene = sample_scene(modality, rng, split)
    question, reply = described(rng, scene, split)
    return record(rng, [user(*shuffled(rng, scene, typed(rng, question))), assistant(reply)])


def sample_request(modality: MediaModality, rng: random.Random, split: Split) -> Record:
    """For stages `decode` and `project`: a request for a medium, which is the last one made."""
    language: Language = "chinese" if rng.random() < CHINESE else "english"
    while True:
        scene = requested_scene(rng, split, modality)
        turns = request_and_answer(rng, scene, language, split)
        if is_changeable(scene) and rng.random() < CHANGED:
            text, new = follow_up(rng, scene, split, language)
            if new.type == modality:
                turns += [user(text), answer(rng, new, language)]
        if all(in_split(scene, split) for scene in scenes(turns)):
            return record(rng, turns)


def sample_plain(rng: random.Random, split: Split = "train") -> Turns:
    """Turns that end with one of the user's, which asks for words of the base model."""
    if rng.random() >= IN_CONTEXT:
        return [user(plain_prompt(rng, split))]
    if rng.random() < 0.4:
        return plain_conversation(rng, split)
    before = sample_dialogue(rng, split).messages
    return [*before, user(plain_prompt(rng, split))]

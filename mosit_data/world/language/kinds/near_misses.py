"""Near misses: sentences that differ little and ask for different things.

Each group is about one thing: a picture, a sound, a video, or nothing but words.
"""

import random
from typing import NamedTuple

from anygen.core.modality import MediaModality
from mosit_data.world.language.grammar import expand
from mosit_data.world.language.keyboard import typed
from mosit_data.world.language.kinds.scenes import movable, portrait
from mosit_data.world.language.kinds.single import answer
from mosit_data.world.language.language import Language
from mosit_data.world.language.turns import Turns, user
from mosit_data.world.scene import Split
from mosit_data.world.vocabulary import SOUND_OF, article, plural


class Miss(NamedTuple):
    """A sentence and what it asks for: a modality, or None for words of the base model."""

    text: str
    modality: MediaModality | None


# {x} has an article, {n} none, {many} is the plural. One row is one group.
GROUPS: tuple[tuple[tuple[str, MediaModality | None], ...], ...] = (
    (
        ("draw {x}[.|]", "image"),
        ("draw {x} in words[.|]", None),
        ("[spell|define] {x} in words[.|]", None),
    ),
    (
        ("show me {x}[.|]", "image"),
        ("tell me about {x}[.|]", None),
        ("tell me how to draw {x}[.|]", None),
    ),
    (
        ("what does {x} look like? Draw it.", "image"),
        ("what does {x} look like? Describe it in words.", None),
    ),
    (("a picture of {x}", "image"), ("a poem about {x}", None), ("a fact about {x}", None)),
    (("paint {x} for me", "image"), ("name a famous painting of {x} for me", None)),
    (
        ("can you draw {x}?", "image"),
        ("is it hard to draw {x}?", None),
        ("why do people draw {many}?", None),
    ),
    (
        ("I want to see {x}", "image"),
        ("I want to buy {x}", None),
        ("I want to know more about {many}", None),
    ),
    (("make a picture of {x}", "image"), ("make a list of facts about {many}", None)),
    (
        ("{x}, please", "image"),
        ("{x}: what is it?", None),
        ("{many}, what are they good for?", None),
    ),
    (("create an image with {x}", "image"), ("create a story idea with {x}", None)),
    (
        ("draw {x}, don't explain anything", "image"),
        ("don't draw {x}, just explain what it is", None),
    ),
    (("no text please, just {x}", "image"), ("no picture please, just tell me what {x} is", None)),
    (("animate {x}", "video"), ("how do I animate {x} in a program?", None), ("draw {x}", "image")),
    (("a video of {x}", "video"), ("a picture of {x}", "image"), ("the history of the {n}", None)),
    (
        ("show me {x} in a video", "video"),
        ("show me {x} in a picture", "image"),
        ("explain {x} in a sentence", None),
    ),
    (("make a clip of {x}", "video"), ("make a sentence with the word {n}", None)),
)
HEARD: tuple[tuple[tuple[str, MediaModality | None], ...], ...] = (  # of things that have a sound
    (("let me hear {x}", "audio"), ("let me see {x}", "image"), ("let me know what {x} is", None)),
    (("play {x}", "audio"), ("draw {x}", "image"), ("how do I play {x}?", None)),
    (
        ("what does {x} sound like? Play it.", "audio"),
        ("what does {x} look like? Draw it.", "image"),
        ("what does {x} cost?", None),
    ),
    (("the sound of {x}", "audio"), ("a picture of {x}", "image"), ("the price of {x}", None)),
    (
        ("I want to hear {x}", "audio"),
        ("I want to learn about the {n}", None),
        ("I want to see {x}", "image"),
    ),
    (
        ("can you play {x}?", "audio"),
        ("who invented the {n}?", None),
        ("can you paint {x}?", "image"),
    ),
    (
        ("audio of {x}", "audio"),
        ("image of {x}", "image"),
        ("origin of the {n}", None),
        ("video of {x}", "video"),
    ),
)


def near_misses(rng: random.Random, split: Split, concept: str) -> tuple[Miss, ...]:
    """One group about the thing."""
    rows = GROUPS + HEARD if concept in SOUND_OF else GROUPS
    values = {"x": article(concept), "n": concept, "many": plural(concept)}
    return tuple(Miss(expand(rng, text, **values), kind) for text, kind in rng.choice(rows))


def near_miss(rng: random.Random, split: Split, language: Language) -> Turns:
    """One sentence of a group that asks for a medium."""
    concept = rng.choice(movable(split))
    media = [miss for miss in near_misses(rng, split, concept) if miss.modality]
    miss = rng.choice(media)
    assert miss.modality
    scene = portrait(rng, split, concept, miss.modality)
    return [user(typed(rng, miss.text)), answer(rng, scene, "english")]


def plain_near_miss(rng: random.Random, split: Split) -> str:
    """One sentence of a group that asks for nothing but words."""
    while True:
        group = near_misses(rng, split, rng.choice(movable(split)))
        texts = [miss.text for miss in group if not miss.modality]
        if texts:
            return typed(rng, rng.choice(texts))

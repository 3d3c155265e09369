"""Illustrated stories, comics and stories of a brand."""

import random

from mosit_data.world.language.chinese import stories as chinese
from mosit_data.world.language.english import stories as english
from mosit_data.world.language.english.framing import framed
from mosit_data.world.language.grammar import Bank
from mosit_data.world.language.keyboard import typed
from mosit_data.world.language.kinds.scenes import draw, portrait, unmentioned
from mosit_data.world.language.language import Language
from mosit_data.world.language.turns import Turns, assistant, user
from mosit_data.world.scene import Scene, Split, related
from mosit_data.world.vocabulary import CONCEPTS

# Most stories are about animals; some are about vehicles, food and other things.
HEROES = {"animal": 60, "vehicle": 14, "food": 6, "nature": 10, "object": 8, "instrument": 2}
COUNTS = {1: 50, 2: 26, 3: 17, 4: 7}


def story(rng: random.Random, split: Split, language: Language) -> Turns:
    """A story with one to four pictures."""
    if language == "chinese":
        return chinese_story(rng, split)
    count = rng.choices(list(COUNTS), list(COUNTS.values()))[0]
    cast, plot = pick_cast(rng), rng.choice(english.PLOTS)
    named = cast[:2] if rng.random() < 0.25 else cast[:1]
    about: Bank = ()
    if count > 1:
        about = plot.about if len(named) == 1 and rng.random() < 0.3 else ()
        parts = illustrated(rng, split, english.tell(rng, plot, cast, count))
    elif len(named) == 2:
        parts = [english.tell_pair(rng, *named), both(rng, split, cast[0], cast[1])]
    elif named[0] == "snowman" and rng.random() < 0.5:
        about = english.MELTS
        parts = [english.tell_melting(rng), portrait(rng, split, "snowman", "image")]
    else:
        parts = [english.tell_alone(rng, cast[0]), portrait(rng, split, cast[0], "image")]
    text = english.ask_story(rng, named, count, split, about)
    return [user(typed(rng, framed(rng, text, split))), assistant(*parts)]


def comic(rng: random.Random, split: Split, language: Language) -> Turns:
    """A story in two to four panels."""
    count = rng.choice([2, 3, 3, 4])
    cast = pick_cast(rng)
    if language == "chinese":
        return chinese_story(rng, split)
    text = english.ask_comic(rng, cast[:1], count, split)
    parts = illustrated(rng, split, english.tell(rng, rng.choice(english.PLOTS), cast, count))
    return [user(typed(rng, framed(rng, text, split))), assistant(*parts)]


def brand(rng: random.Random, split: Split, language: Language) -> Turns:
    """The story of a shop, with a picture of what it sells."""
    sold = [c.name for c in CONCEPTS if c.kind in ("food", "object", "instrument", "vehicle")]
    hero = rng.choice(sold)
    text = english.ask_brand(rng, hero, split)
    parts = (english.tell_brand(rng, hero), portrait(rng, split, hero, "image"))
    return [user(typed(rng, framed(rng, text, split))), assistant(*parts)]


def chinese_story(rng: random.Random, split: Split) -> Turns:
    count = rng.choices(list(COUNTS), list(COUNTS.values()))[0]
    cast = pick_cast(rng)
    text = chinese.ask_story(rng, cast[0], count, split)
    parts = illustrated(rng, split, chinese.tell(rng, cast, count))
    return [user(typed(rng, text)), assistant(*parts)]


def pick_cast(rng: random.Random) -> tuple[str, str, str]:
    """A hero and two others."""
    kind = rng.choices(list(HEROES), list(HEROES.values()))[0]
    hero = rng.choice([c.name for c in CONCEPTS if c.kind == kind])
    friend = rng.choice([c.name for c in CONCEPTS if c.kind == "animal" and c.name != hero])
    other = rng.choice([c.name for c in CONCEPTS if c.name not in (hero, friend)])
    return hero, friend, other


def illustrated(
    rng: random.Random, split: Split, beats: list[tuple[str, str]]
) -> list[str | Scene]:
    """Words and pictures in turn."""
    parts: list[str | Scene] = []
    for words, concept in beats:
        parts += [words, portrait(rng, split, concept, "image")]
    return parts


def both(rng: random.Random, split: Split, first: str, second: str) -> Scene:
    """Two things side by side in one picture."""

    def make() -> Scene:
        scene = related(rng, (first, second))
        things = tuple(thing.model_copy(update={"colour": None}) for thing in scene.things)
        return unmentioned(scene.model_copy(update={"things": things}))

    return draw(split, make)

"""Questions about a user's own medium in everyday words, with true, short answers."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from mosit_data.world.language.english.question_phrases import (
    BACKGROUND,
    BOTH,
    COLOUR,
    CONTOUR,
    DESCRIBE,
    DIRECTION,
    DOING,
    EITHER,
    GROW_OR_SHRINK,
    HOW_MANY,
    INSTRUMENT,
    IS_IT,
    KIND,
    LEFT_OR_RIGHT,
    MOVER,
    MUSIC,
    NEXT_TO,
    ON_SIDE,
    PITCH,
    PLAYED,
    PRESENT,
    SIZE,
    SOURCE,
    STYLE,
    TEMPO,
    THING,
    UP_OR_DOWN,
    WHERE,
)
from mosit_data.world.language.grammar import Bank, say
from mosit_data.world.scene import (
    PictureScene,
    Scene,
    SoundScene,
    Split,
    Thing,
    VideoScene,
    caption,
    fully,
    size_word,
)
from mosit_data.world.vocabulary import (
    CONCEPT,
    CONCEPTS,
    COUNTS,
    MOTIONS,
    PATTERNS,
    SOUNDS,
    article,
    plural,
    with_article,
)


class Filled(NamedTuple):
    """Phrasings of a question, and the values of their slots."""

    bank: Bank
    values: dict[str, str]


Asked = tuple[Bank | Filled, str]  # phrasings of a question, and its answer
INVERSE = {
    "to the left of": "to the right of",
    "to the right of": "to the left of",
    "above": "below",
    "below": "above",
}
SIDES = {"to the left of": "left", "to the right of": "right", "above": "top", "below": "bottom"}
MELODY = {
    "rising": "The melody rises.",
    "falling": "The melody falls.",
    "repeated": "The same note is repeated.",
    "chord": "There is no melody, it is a chord.",
    "beat": "There is no melody, it is a drum beat.",
}
NOISES = ("a car", "a dog", "thunder", "an engine", "a cat", "rain", "a door", "a train", "a voice")


def sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."


def questions(rng: random.Random, scene: Scene) -> list[Asked]:
    """Everything that the scene can answer."""
    if isinstance(scene, SoundScene):
        return list(about_sound(rng, scene))
    if isinstance(scene, VideoScene):
        return list(about_video(rng, scene))
    return list(about_picture(rng, scene))


def phrase(rng: random.Random, question: Bank | Filled, split: Split) -> str:
    """One phrasing of a question."""
    if isinstance(question, Filled):
        return say(rng, question.bank, split, **question.values)
    return say(rng, question, split)


def general(rng: random.Random, scene: Scene) -> Asked:
    """The general question, answered by a full description or by the scene's caption."""
    described = fully(scene) if rng.random() < 0.7 else scene
    return DESCRIBE[scene.type], sentence(caption(described))


def described(rng: random.Random, scene: Scene, split: Split = "train") -> tuple[str, str]:
    """The general question and its answer, as text: a full description or the caption."""
    question, answer = general(rng, scene)
    return phrase(rng, question, split), answer


def fill(bank: Bank, **values: str) -> "Filled":
    return Filled(bank, values)


# --- pictures ---


def about_picture(rng: random.Random, scene: PictureScene) -> Iterator[Asked]:
    yield general(rng, scene)
    yield from about_look(scene, scene.things[0].concept)
    yield from about_presence(rng, scene)
    if scene.relation:
        yield from about_relation(scene, scene.relation)
        return
    yield from about_kind(rng, scene)
    if len(scene.things) == 1:
        yield from about_place(scene.things[0])


def about_look(scene: PictureScene | VideoScene, concept: str) -> Iterator[Asked]:
    yield fill(BACKGROUND, c=concept), f"The background is {scene.background}."
    yield fill(BACKGROUND, c=concept), f"It is {scene.background}."
    yield STYLE, f"It is drawn in {scene.style} style."


def about_presence(rng: random.Random, scene: PictureScene) -> Iterator[Asked]:
    """Whether something is there: one question to affirm and one to deny."""
    present = [thing.concept for thing in scene.things]
    concept = rng.choice(present)
    is_one = present.count(concept) == 1
    there = f"there is {article(concept)}" if is_one else f"there are {plural(concept)}"
    yield fill(PRESENT, a=article(concept)), f"Yes, {there}."
    absent = rng.choice([c.name for c in CONCEPTS if c.name not in present])
    yield fill(PRESENT, a=article(absent)), f"No, but {there}."


def about_kind(rng: random.Random, scene: PictureScene) -> Iterator[Asked]:
    concept, count = CONCEPT[scene.things[0].concept], len(scene.things)
    number, _ = COUNTS[count]
    several = plural(concept.name)
    one = f"It is {article(concept.name)}." if count == 1 else f"They are {several}."
    for _ in range(2):
        if concept.kind in ("nature", "object"):
            yield THING, one
        else:
            yield fill(KIND, kind=concept.kind), one
    are = f"There is one {concept.name}." if count == 1 else f"There are {number} {several}."
    for _ in range(1 if count == 1 else 4):
        yield fill(HOW_MANY, many=several), are
    guess = rng.choice([c.name for c in CONCEPTS if c.name != concept.name])
    if count == 1:
        yield either(rng, concept.name, guess), one
        if scene.things[0].colour:
            answer = f"The {concept.name} is {scene.things[0].colour}."
            yield fill(COLOUR, c=concept.name), answer


def either(rng: random.Random, right: str, wrong: str) -> Filled:
    one, two = rng.sample((right, wrong), 2)
    return fill(EITHER, one=one, two=two, a=article(one), b=article(two))


def about_relation(scene: PictureScene, relation: str) -> Iterator[Asked]:
    first, second = (thing.concept for thing in scene.things)
    back = INVERSE[relation]
    yield fill(WHERE, c=first), f"The {first} is {relation} the {second}."
    yield fill(WHERE, c=second), f"The {second} is {back} the {first}."
    yield fill(NEXT_TO, relation=relation, c=second), f"It is {article(first)}."
    yield fill(NEXT_TO, relation=back, c=first), f"It is {article(second)}."
    yield ON_SIDE[SIDES[relation]], f"It is {article(first)}."
    yield ON_SIDE[SIDES[back]], f"It is {article(second)}."
    yield BOTH, f"I see {article(first)} and {article(second)}."


def about_place(thing: Thing) -> Iterator[Asked]:
    """Only clear cases: no question about places between the middle and a side."""
    across, down = third(thing.x, "left", "right"), third(thing.y, "top", "bottom")
    if across is not None and down is not None:
        where = " ".join(word for word in (down, across) if word)
        answer = f"It is at the {where}." if where else "It is in the middle."
        yield fill(WHERE, c=thing.concept), answer
    if size_word(thing):
        yield fill(SIZE, c=thing.concept), f"It is {size_word(thing)}."


def third(value: float, low: str, high: str) -> str | None:
    """`low`, `high`, empty for the middle, or None if the place is unclear."""
    if 0.43 < value < 0.57:
        return ""
    if 0.37 < value < 0.63:
        return None
    return low if value < 0.5 else high


# --- sounds ---


def about_sound(rng: random.Random, scene: SoundScene) -> Iterator[Asked]:
    yield general(rng, scene)
    name = with_article(scene.sound, scene.sound)
    guess = rng.choice([other for other in SOUNDS if other != scene.sound])
    guessed = with_article(guess, guess)
    yield either_sound(rng, scene.sound, guess), f"It is {name}."
    yield either_noise(rng, name, rng.choice(NOISES)), f"It is {name}."
    if scene.pattern is None:
        yield SOURCE, f"It is {name}."
        yield SOURCE, f"That is the sound of {name}."
        yield MUSIC, f"No, it is {caption(scene)}."
        return
    for _ in range(3):
        yield INSTRUMENT, f"It is {name}."
    yield fill(IS_IT, a=name), f"Yes, it is {name}."
    yield fill(IS_IT, a=guessed), f"No, it is {name}."
    yield PLAYED, f"I hear {PATTERNS[scene.pattern][0]}."
    yield CONTOUR, MELODY[scene.pattern]
    yield TEMPO, f"It is {scene.tempo}."
    if scene.pitch:
        height = "in the middle" if scene.pitch == "middle" else scene.pitch
        yield PITCH, f"It is {height}."


def either_sound(rng: random.Random, right: str, wrong: str) -> Filled:
    one, two = rng.sample((right, wrong), 2)
    a, b = with_article(one, one), with_article(two, two)
    return fill(EITHER, one=one, two=two, a=a, b=b)


def either_noise(rng: random.Random, right: str, wrong: str) -> Filled:
    """The wrong one is a noise that mini does not know."""
    one, two = rng.sample((right, wrong), 2)
    return fill(EITHER, one=one, two=two, a=one, b=two)


# --- videos ---


def about_video(rng: random.Random, scene: VideoScene) -> Iterator[Asked]:
    concept, verb = scene.thing.concept, MOTIONS[scene.motion].verb
    yield general(rng, scene)
    yield from about_look(scene, concept)
    yield MOVER, f"It is {article(concept)}."
    yield fill(DOING, c=concept), f"The {concept} {verb}."
    yield fill(DOING, c=concept), f"The {concept} {verb}."
    if scene.motion in ("growing", "shrinking"):
        bigger = "bigger" if scene.motion == "growing" else "smaller"
        yield fill(GROW_OR_SHRINK, c=concept), f"It {verb}: it gets {bigger}."
    if not scene.motion.startswith("moving"):
        return
    direction = scene.motion.removeprefix("moving ")
    yield fill(DIRECTION, c=concept), f"It moves {direction}."
    either_way = LEFT_OR_RIGHT if direction in ("left", "right") else UP_OR_DOWN
    yield fill(either_way, c=concept), f"It moves {direction}."

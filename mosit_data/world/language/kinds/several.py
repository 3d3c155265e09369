"""Several media in one answer."""

import random
from functools import partial
from typing import Any

from anygen.core.modality import MEDIA, MediaModality
from anygen.core.records import RecordMessage
from mosit_data.world.language.chinese import phrases as chinese
from mosit_data.world.language.chinese.descriptions import in_chinese, requested
from mosit_data.world.language.english import several as words
from mosit_data.world.language.english.answers import also, here_is, lead_in
from mosit_data.world.language.english.framing import framed
from mosit_data.world.language.english.words.descriptions import describe
from mosit_data.world.language.english.words.facts import FACTS
from mosit_data.world.language.english.words.names import plural_of
from mosit_data.world.language.grammar import Bank, say
from mosit_data.world.language.keyboard import typed
from mosit_data.world.language.kinds.scenes import (
    bare,
    draw,
    movable,
    portrait,
    requested_scene,
    unmentioned,
    usual_colour,
)
from mosit_data.world.language.language import Language
from mosit_data.world.language.turns import Turns, assistant, user
from mosit_data.world.scene import NORMAL, SIZES, Scene, Split, centred, sound_scene
from mosit_data.world.vocabulary import (
    COLOURS,
    CONCEPT,
    SOUND_OF,
    SOUNDS,
    STYLES,
    article,
    with_article,
)

Kinds = tuple[MediaModality, ...]
SAME: tuple[tuple[Bank, Kinds], ...] = (  # requests for one thing in several modalities
    (words.SHOWN, ("image", "audio")),
    (words.SHOWN, ("image", "audio")),
    (words.HEARD, ("audio", "image")),
    (words.MOVING, ("image", "video")),
    (words.STILL, ("video", "image")),
    (words.ALL_THREE, ("image", "audio", "video")),
)
SILENT = 0.12  # share of the answers without words between the media
SEQUENCES: dict[Kinds, float] = {
    ("image", "image"): 3,
    ("image", "audio"): 3,
    ("audio", "image"): 2,
    ("audio", "audio"): 2,
    ("image", "video"): 2,
    ("video", "image"): 2,
    ("video", "audio"): 1,
    ("audio", "video"): 1,
    ("video", "video"): 1,
    ("image", "image", "image"): 2,
    ("image", "audio", "video"): 2,
    ("audio", "audio", "audio"): 1,
    ("video", "image", "audio"): 1,
    ("audio", "image", "image"): 1,
    ("image", "image", "audio"): 1,
    ("image", "image", "image", "image"): 1,
    ("image", "audio", "image", "video"): 1,
}


def several(rng: random.Random, split: Split, language: Language) -> Turns:
    """Two to four media that have nothing to do with each other."""
    if language == "chinese":
        return chinese_sequence(rng, split)
    kinds = rng.choices(list(SEQUENCES), list(SEQUENCES.values()))[0]
    return request_and_answers(
        rng, [simple(rng, requested_scene(rng, split, kind)) for kind in kinds], split
    )


def request_and_answers(rng: random.Random, media: list[Scene], split: Split) -> Turns:
    """A request for two to four media, phrased as in the split, and all of them in one answer."""
    text = framed(rng, words.ask_several(rng, media, split), split)
    return [user(typed(rng, text)), answers(rng, media)]


def simple(rng: random.Random, scene: Scene) -> Scene:
    """In longer requests, things are seldom described at length."""
    return bare(rng, scene) if rng.random() < 0.6 else scene


def same_thing(rng: random.Random, split: Split, language: Language) -> Turns:
    """One thing as a picture, as its sound and as a video, in the order of the request."""
    if language == "chinese":
        return chinese_same_thing(rng, split)
    bank, kinds = rng.choice(SAME)
    concepts = [name for name in movable(split) if "audio" not in kinds or name in SOUND_OF]
    concept = rng.choice(concepts)
    media = [portrait(rng, split, concept, kind) for kind in kinds]
    first = describe(rng, media[0] if bank is words.STILL else as_picture(rng, concept))
    text = say(rng, bank, split, x=first.full, n=first.bare)
    return [user(typed(rng, framed(rng, text, split))), answers(rng, media)]


def as_picture(rng: random.Random, concept: str) -> Scene:
    return unmentioned(usual_colour(centred(rng, (concept,))))


VARIANT_FORMS = {
    "background": ("on {v}", "on {v}", "with {a} background", "{v} background"),
    "style": ("in {v}", "{v}", "in {v} style"),
    "colour": ("{v}", "in {v}", "one {v}", "{a} one"),
}


def variants(rng: random.Random, split: Split, language: Language) -> Turns:
    """One thing on several backgrounds or in several styles, as separate pictures."""
    what = rng.choices(("background", "style", "colour"), (50, 25, 25))[0]
    values = rng.sample(list(STYLES if what == "style" else COLOURS), rng.choice([2, 2, 3]))
    concept = rng.choice(list(CONCEPT))

    def make(value: str) -> Scene:
        scene = centred(rng, (concept,))
        look = {"size": SIZES["normal"] / NORMAL, "colour": value if what == "colour" else None}
        changes: dict[str, Any] = {"things": (scene.things[0].model_copy(update=look),)}
        if what == "colour":
            return scene.model_copy(update={**changes, "mentions": ()})
        return scene.model_copy(update={**changes, what: value, "mentions": (what,)})

    media = [draw(split, partial(make, value)) for value in values]
    if language == "chinese":
        tail = {"background": "背景", "style": "", "colour": "的"}[what]
        chosen = "、".join(
            (STYLES if what == "style" else COLOURS)[value].chinese for value in values
        )
        name, number = CONCEPT[concept], "两" if len(values) == 2 else "三"
        text = f"画{number}张{name.chinese}：{chosen}{tail}各一张"
        return [user(typed(rng, text)), answers(rng, media, language)]
    form = rng.choice(VARIANT_FORMS[what])
    listed = [form.format(v=value, a=article(value)) for value in values]
    number = rng.choice(words.NUMBERS[len(values)])
    text = say(
        rng,
        words.VARIANTS,
        split,
        x=article(concept),
        n=concept,
        k=number,
        v=words.listed(rng, listed),
    )
    return [user(typed(rng, framed(rng, text, split))), answers(rng, media)]


def explain(rng: random.Random, split: Split, language: Language) -> Turns:
    """A sentence about a thing, and the thing."""
    if language == "chinese":
        concept = rng.choice(list(CONCEPT))
        text = say(rng, chinese.EXPLAIN, split, x=CONCEPT[concept].chinese)
        fact = CHINESE_FACT[CONCEPT[concept].kind].format(x=CONCEPT[concept].chinese)
        return [user(typed(rng, text)), assistant(fact, portrait(rng, split, concept, "image"))]
    chance = rng.random()
    if chance < 0.35:
        sound = rng.choice([name for name in SOUNDS if name in FACTS])
        scene = draw(split, lambda: unmentioned(sound_scene(rng, sound)))
        name = with_article(sound, sound)
        many = sound if not SOUNDS[sound].countable else plural_of(sound)
        text = say(rng, words.EXPLAIN_SOUND, split, x=name, n=sound, many=many)
        return [user(typed(rng, text)), explained(FACTS[sound], [scene])]
    concept = rng.choice(movable(split))
    bank: Bank = words.EXPLAIN if chance < 0.75 else words.EXPLAIN_MOVING
    kinds: Kinds = ("image",) if chance < 0.75 else ("image", "video")
    text = say(rng, bank, split, x=article(concept), n=concept, many=plural_of(concept))
    media = [portrait(rng, split, concept, kind) for kind in kinds]
    return [user(typed(rng, text)), explained(FACTS[concept], media)]


CHINESE_FACT = {
    "animal": "{x}是一种动物。",
    "vehicle": "{x}是一种交通工具。",
    "food": "{x}是一种食物。",
    "instrument": "{x}是一种乐器。",
    "nature": "{x}是大家都熟悉的东西。",
    "object": "{x}是生活中常见的东西。",
}


def greeting_card(rng: random.Random, split: Split, language: Language) -> Turns:
    """A card: a thing, and a wish in words."""
    occasion = rng.choice(list(words.OCCASIONS))
    things, texts = words.OCCASIONS[occasion]
    concept = rng.choice(things)
    text = say(rng, words.WISH, split, o=occasion, x=article(concept))
    scene = portrait(rng, split, concept, "image")
    greeting = rng.choice(texts)
    parts = (scene, greeting) if rng.random() < 0.5 else (f"{here_is(scene)}.", scene, greeting)
    return [user(typed(rng, text)), assistant(*parts)]


def explained(fact: str, media: list[Scene]) -> RecordMessage:
    """A fact, and the media with their words."""
    parts: list[str | Scene] = [f"{fact} {here_is(media[0])}.", media[0]]
    for scene in media[1:]:
        parts += [also(scene), scene]
    return assistant(*parts)


def answers(
    rng: random.Random, media: list[Scene], language: Language = "english"
) -> RecordMessage:
    """Each medium with the words that repeat what was asked for, seldom without."""
    if rng.random() < SILENT:
        return assistant(*media)
    parts: list[str | Scene] = []
    for index, scene in enumerate(media):
        if language == "chinese":
            before = ("还有" if index else "这是") + in_chinese(scene) + "。"
        else:
            before = also(scene) if index else lead_in(rng, scene)
        parts += [part for part in (before, scene) if part]
    return assistant(*parts)


# --- Chinese ---


def chinese_sequence(rng: random.Random, split: Split) -> Turns:
    kinds = rng.choices(MEDIA, [4, 3, 2], k=2)
    media = [simple(rng, requested_scene(rng, split, kind)) for kind in kinds]
    a, b = (
        rng.choice(chinese.COMMANDS[scene.type]).format(x=requested(rng, scene)) for scene in media
    )
    text = say(rng, chinese.SEQUENCE, split, a=a, b=b)
    return [user(typed(rng, text)), answers(rng, media, "chinese")]


def chinese_same_thing(rng: random.Random, split: Split) -> Turns:
    concept = rng.choice(list(SOUND_OF))
    media = [portrait(rng, split, concept, kind) for kind in ("image", "audio")]
    text = say(rng, chinese.BOTH, split, x=CONCEPT[concept].chinese)
    return [user(typed(rng, text)), answers(rng, media, "chinese")]

"""Requests for one medium, and the answer."""

import random

from anygen.core.records import RecordMessage
from mosit_data.world.language.chinese import phrases as chinese
from mosit_data.world.language.chinese.descriptions import in_chinese, requested
from mosit_data.world.language.english import requests as english
from mosit_data.world.language.english.answers import closing, lead_in
from mosit_data.world.language.grammar import Bank, say
from mosit_data.world.language.keyboard import typed
from mosit_data.world.language.kinds.scenes import (
    counted_scene,
    movable,
    pair_scene,
    portrait,
    requested_scene,
)
from mosit_data.world.language.language import Language
from mosit_data.world.language.turns import Turns, assistant, user
from mosit_data.world.scene import Scene, Split
from mosit_data.world.vocabulary import CONCEPT, article

ANY_MOTION: Bank = (  # a video of a thing, without a word on how it moves
    "{n} [video|clip|animation|gif|movie][, please| please|]",
    "[a|one|a short] [video|clip|animation] of {x}[, please|]",
    (
        "[make|create|give me|show me|I want|I need] a [short |little |][video|clip|animation|"
        "film] [of|with|about] {x}[, please|.|]"
    ),
    "[can|could] you [make|do|create] a [video|clip|animation] of {x}[ for me|]?",
    "[video|clip|animation|gif]: {n}",
    "[animate|film] {x}[, please| for me|.|]",
    "{x}, [animated|moving|in motion|as a video|as a film]",
    "I'd [like|love] to [watch|see] {x} move[.|]",
    "{x} that moves[, please|]",
    "[let me|I want to] watch {x}[, please|.|]",
    "some [video|clip|animation] with {x}",
)
CHINESE_ANY_MOTION: Bank = (
    "[做|来|要]一个{x}的[视频|动画][。|]",
    "{x}的[视频|动画|小视频]",
    "[我想看|给我看]{x}的[视频|动画][。|]",
    "[能|可以]做{x}的视频吗[？|]",
    "让{x}动起来",
)


def generate(rng: random.Random, split: Split, language: Language) -> Turns:
    """A request for one medium."""
    return request_and_answer(rng, requested_scene(rng, split), language, split)


def pair(rng: random.Random, split: Split, language: Language) -> Turns:
    """A request for two things in one picture: the hardest condition to predict."""
    return request_and_answer(rng, pair_scene(rng, split), language, split)


def count(rng: random.Random, split: Split, language: Language) -> Turns:
    """A request for two to four of the same."""
    return request_and_answer(rng, counted_scene(rng, split), language, split)


def any_motion(rng: random.Random, split: Split, language: Language) -> Turns:
    """A video of a thing that moves as it usually does, and the answer says how."""
    concept = rng.choice(movable(split))
    scene = portrait(rng, split, concept, "video")
    if language == "chinese":
        words = say(rng, CHINESE_ANY_MOTION, split, x=CONCEPT[concept].chinese)
    else:
        words = say(rng, ANY_MOTION, split, x=article(concept), n=concept)
        words = english.framed(rng, words, split)
    return [user(typed(rng, words)), answer(rng, scene, language)]


def request_and_answer(
    rng: random.Random, scene: Scene, language: Language, split: Split = "train"
) -> Turns:
    return [user(request(rng, scene, language, split)), answer(rng, scene, language)]


def request(rng: random.Random, scene: Scene, language: Language, split: Split = "train") -> str:
    """A request as somebody types it, phrased as in the split."""
    if language == "english":
        return english.ask(rng, scene, split)
    words = say(rng, chinese.ASK[scene.type], split, x=requested(rng, scene))
    return typed(rng, words)


def answer(rng: random.Random, scene: Scene, language: Language) -> RecordMessage:
    """The medium with a few words before it, and seldom after it."""
    if language == "chinese":
        before = rng.choice(chinese.LEAD_IN).format(x=in_chinese(scene))
        return assistant(*((before, scene) if rng.random() < 0.88 else (scene,)))
    parts = (lead_in(rng, scene), scene, closing(rng))
    return assistant(*(part for part in parts if part))

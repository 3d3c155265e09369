"""Prompts that ask for no medium, alone and in conversations: the base model answers them."""

import random
import re
from functools import cache

from mosit_data.prompts import read_prompts
from mosit_data.world.language.chinese import plain as chinese
from mosit_data.world.language.english.framing import GREETING
from mosit_data.world.language.english.plain import AFTER, ANSWERED, NEGATED, PLAIN
from mosit_data.world.language.english.plain_topics import NUMBERS, TOPICS
from mosit_data.world.language.grammar import say
from mosit_data.world.language.keyboard import typed
from mosit_data.world.language.kinds.near_misses import plain_near_miss
from mosit_data.world.language.turns import Turns, assistant, user
from mosit_data.world.scene import Split
from mosit_data.world.vocabulary import CONCEPTS, SOUNDS, article, plural

CHINESE = 0.12
SOCIAL = re.compile("hi there|good morning|sorry|thanks|你好", re.IGNORECASE)
COLLECTED = 0.25  # share of the prompts from the file of everyday prompts
MISSES = 0.1  # share of the near misses of a request
THINGS = (
    *(c.name for c in CONCEPTS),
    *(n for n, s in SOUNDS.items() if s.patterns and s.countable),
)


def plain_prompt(rng: random.Random, split: Split = "train") -> str:
    """A prompt that asks for words alone, as somebody types it."""
    chance = rng.random()
    if chance < CHINESE:
        return typed(rng, chinese_prompt(rng, split))
    if chance < CHINESE + COLLECTED:
        return typed(rng, rng.choice(collected(split)))
    if chance < CHINESE + COLLECTED + MISSES:
        return plain_near_miss(rng, split)
    text = question(rng, split)
    if rng.random() < 0.08:
        text = say(rng, NEGATED, split, q=text)
    elif rng.random() < 0.08:
        text = say(rng, GREETING, split) + text
    elif rng.random() < 0.06:
        text = text.rstrip(".") + rng.choice((" thanks", ", please", " thx", " asap", " pls"))
    return typed(rng, text)


@cache
def collected(split: Split) -> tuple[str, ...]:
    """The everyday prompts but for greetings and thanks, which mini answers itself."""
    prompts = read_prompts("train" if split == "train" else "evaluation")
    return tuple(prompt for prompt in prompts if not SOCIAL.match(prompt))


def question(rng: random.Random, split: Split) -> str:
    [(bank, _)] = rng.choices(PLAIN, [weight for _, weight in PLAIN])
    return say(rng, bank, split, **topics(rng))


def topics(rng: random.Random) -> dict[str, str]:
    """A value for every slot."""
    values = {name: rng.choice(names) for name, names in TOPICS.items()}
    thing, other = rng.sample(THINGS, 2)
    return values | {
        "number": rng.choice(NUMBERS),
        "number2": rng.choice(NUMBERS),
        "animals": plural(values["animal"]),
        "a_animal": article(values["animal"]),
        "a_instrument": article(values["instrument"]),
        "thing": thing,
        "things": plural(thing),
        "a_thing": article(thing),
        "a_thing2": article(other),
        "things2": plural(other),
    }


def plain_conversation(rng: random.Random, split: Split) -> Turns:
    """Plain turns with answers, and one more question at the end."""
    text, reply = rng.choice(ANSWERED)
    turns = [user(typed(rng, text)), assistant(reply)]
    if rng.random() < 0.5:
        return [*turns, user(typed(rng, say(rng, AFTER, split, **topics(rng))))]
    return [*turns, user(plain_prompt(rng, split))]


def chinese_prompt(rng: random.Random, split: Split) -> str:
    values = {name: rng.choice(names) for name, names in chinese.TOPICS.items()}
    numbers = {"n": str(rng.randint(2, 99)), "m": str(rng.randint(2, 99))}
    return say(rng, chinese.PLAIN, split, **values, **numbers)

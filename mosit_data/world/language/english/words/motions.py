"""How people say that a thing moves: "zooms off to the right", "is getting bigger"."""

import random

from mosit_data.world.language.grammar import expand

FLYING = ("bird", "owl", "butterfly", "bee", "airplane", "helicopter", "rocket", "balloon")
SWIMMING = ("fish", "whale", "octopus", "turtle", "penguin", "frog")
DRIVING = ("car", "bus", "train")
WALKING = (
    *("dog", "cat", "rabbit", "horse", "cow", "pig", "sheep", "elephant", "lion", "monkey"),
    *("panda", "frog", "penguin", "turtle", "robot", "snowman"),
)
OWN_VERBS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (FLYING, ("fly", "glide")),
    (SWIMMING, ("swim",)),
    (DRIVING, ("drive", "roll")),
    (WALKING, ("walk", "run", "wander", "march")),
    (("bicycle",), ("ride", "roll")),
    (("sailboat",), ("sail", "float")),
)
ANY_VERBS = ("move", "go", "slide", "travel", "rush", "drift", "dash", "zoom", "head", "glide")
SIDEWAYS = (
    "[{side}|{side}|to the {side}|to the {side}|towards the {side}|off to the {side}"
    "|over to the {side}|from {back} to {side}|{side}wards]"
)
UP = "[up|up|upwards|to the top|higher and higher|up into the air|up and up]"
DOWN = "[down|down|downwards|to the bottom|lower and lower|down to the ground]"
IN_PLACE: dict[str, tuple[str, ...]] = {
    "growing": (
        "grow",
        "grow",
        "grow",
        "get bigger",
        "get larger",
        "become bigger",
        "become larger and larger",
        "expand",
    ),
    "shrinking": (
        "shrink",
        "shrink",
        "shrink",
        "get smaller",
        "get smaller and smaller",
        "become smaller",
        "become tiny",
    ),
    "bouncing": (
        "bounce",
        "bounce",
        "bounce",
        "jump",
        "jump up and down",
        "hop",
        "bounce up and down",
        "hop on the spot",
    ),
    "spinning": (
        "spin",
        "spin",
        "spin",
        "rotate",
        "turn around",
        "twirl",
        "spin around",
        "turn in circles",
        "revolve",
    ),
}
UPWARD = ("rise", "climb", "go up", "float up", "ascend")
DOWNWARD = ("fall", "drop", "sink", "go down", "come down", "descend", "fall down", "float down")
ADJECTIVES = {
    "growing": ("growing",),
    "shrinking": ("shrinking",),
    "bouncing": ("bouncing", "jumping", "hopping"),
    "spinning": ("spinning", "rotating", "twirling", "revolving"),
    "moving up": ("rising",),
    "moving down": ("falling", "sinking"),
}
DOUBLED = ("spin", "swim", "run", "hop", "drop", "get")
OPPOSITES = {"left": "right", "right": "left"}


def motion_phrase(rng: random.Random, concept: str, motion: str) -> str:
    """The motion in the infinitive: "fly off to the left"."""
    if motion in IN_PLACE:
        return rng.choice(IN_PLACE[motion])
    direction = motion.removeprefix("moving ")
    if direction in OPPOSITES:
        where = expand(rng, SIDEWAYS, side=direction, back=OPPOSITES[direction])
    elif rng.random() < 0.5:
        return rng.choice(UPWARD if direction == "up" else DOWNWARD)
    else:
        where = expand(rng, UP if direction == "up" else DOWN)
    return f"{rng.choice(verbs(concept))} {where}"


def verbs(concept: str) -> tuple[str, ...]:
    own = tuple(v for concepts, words in OWN_VERBS if concept in concepts for v in words)
    return own * 3 + ANY_VERBS if own else ANY_VERBS


def third_person(phrase: str) -> str:
    """ "flies off to the left"."""
    verb, space, rest = phrase.partition(" ")
    if verb.endswith(("s", "sh", "ch", "x", "go")):
        verb += "es"
    elif verb.endswith("y") and verb[-2] not in "aeiou":
        verb = verb[:-1] + "ies"
    else:
        verb += "s"
    return verb + space + rest


def present_participle(phrase: str) -> str:
    """ "flying off to the left"."""
    verb, space, rest = phrase.partition(" ")
    if verb in DOUBLED:
        verb += verb[-1]
    elif verb.endswith("e"):
        verb = verb[:-1]
    return f"{verb}ing{space}{rest}"

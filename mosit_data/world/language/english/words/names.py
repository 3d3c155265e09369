"""What people call the things, colours, styles and sounds of the small world."""

import random

from mosit_data.world.vocabulary import plural

USUAL = 0.78  # chance of the usual name of a thing

OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "dog": ("puppy", "doggy", "pup", "doggo", "hound"),
    "cat": ("kitten", "kitty", "kitty cat", "pussycat"),
    "rabbit": ("bunny", "bunny rabbit", "hare"),
    "horse": ("pony", "mare", "stallion"),
    "pig": ("piglet", "piggy", "hog"),
    "sheep": ("lamb", "ewe"),
    "lion": ("big lion cat", "king of the jungle"),
    "monkey": ("little monkey", "ape"),
    "panda": ("panda bear",),
    "frog": ("toad", "froggy"),
    "bird": ("birdie", "little bird", "songbird"),
    "fish": ("goldfish", "little fish"),
    "whale": ("big whale",),
    "turtle": ("tortoise",),
    "bee": ("honey bee", "bumblebee"),
    "elephant": ("baby elephant",),
    "car": ("automobile", "auto"),
    "bus": ("coach", "school bus"),
    "train": ("locomotive", "steam train"),
    "bicycle": ("bike", "push bike"),
    "airplane": ("plane", "aeroplane", "jet", "aircraft"),
    "helicopter": ("chopper", "copter"),
    "rocket": ("space rocket", "rocket ship"),
    "sailboat": ("sailing boat", "boat", "sail boat"),
    "hamburger": ("burger", "cheeseburger"),
    "cake": ("birthday cake", "torte"),
    "pizza": ("slice of pizza", "pizza slice"),
    "ice cream": ("ice cream cone", "icecream"),
    "violin": ("fiddle",),
    "saxophone": ("sax",),
    "drum": ("snare drum",),
    "bell": ("little bell",),
    "flower": ("tulip",),
    "mushroom": ("toadstool",),
    "moon": ("crescent moon",),
    "fire": ("campfire", "flame"),
    "house": ("home", "cottage"),
    "telephone": ("phone", "old telephone"),
    "clock": ("alarm clock",),
    "umbrella": ("parasol", "brolly"),
    "heart": ("love heart",),
    "robot": ("droid",),
    "cactus": ("cactus plant",),
    "star": ("little star",),
}
EMOJI: dict[str, str] = {
    "dog": "🐕",
    "cat": "🐈",
    "rabbit": "🐇",
    "horse": "🐎",
    "cow": "🐄",
    "pig": "🐖",
    "sheep": "🐑",
    "elephant": "🐘",
    "lion": "🦁",
    "monkey": "🐒",
    "panda": "🐼",
    "frog": "🐸",
    "penguin": "🐧",
    "owl": "🦉",
    "bird": "🐦",
    "fish": "🐟",
    "whale": "🐳",
    "octopus": "🐙",
    "turtle": "🐢",
    "butterfly": "🦋",
    "bee": "🐝",
    "car": "🚗",
    "bus": "🚌",
    "train": "🚂",
    "bicycle": "🚲",
    "airplane": "✈️",
    "helicopter": "🚁",
    "rocket": "🚀",
    "sailboat": "⛵",
    "apple": "🍎",
    "banana": "🍌",
    "strawberry": "🍓",
    "watermelon": "🍉",
    "carrot": "🥕",
    "pizza": "🍕",
    "hamburger": "🍔",
    "cake": "🎂",
    "ice cream": "🍦",
    "tree": "🌳",
    "flower": "🌷",
    "mushroom": "🍄",
    "cactus": "🌵",
    "sun": "☀️",
    "moon": "🌙",
    "star": "⭐",
    "fire": "🔥",
    "snowman": "⛄",
    "house": "🏠",
    "umbrella": "☂️",
    "balloon": "🎈",
    "heart": "❤️",
    "robot": "🤖",
}

STYLE_ADJECTIVES: dict[str, tuple[str, ...]] = {
    "flat": ("flat", "flat", "flat", "flat-style", "flat design"),
    "cartoon": ("cartoon", "cartoon", "cartoon", "cartoon-style", "cartoony", "cartoonish"),
    "3d": ("3d", "3d", "3D", "3-d", "three-dimensional", "3d-rendered"),
}
STYLE_PHRASES: dict[str, tuple[str, ...]] = {
    "flat": ("in flat style", "flat style", "as a flat drawing", "in a flat design", "flat"),
    "cartoon": (
        "in cartoon style",
        "cartoon style",
        "as a cartoon",
        "like in a cartoon",
        "cartoon",
    ),
    "3d": ("in 3d", "in 3d style", "as a 3d model", "3d", "3d render", "in three dimensions"),
}
SIZE_ADJECTIVES: dict[str, tuple[str, ...]] = {
    "small": ("small", "small", "little", "tiny"),
    "large": ("large", "big", "big", "huge", "giant"),
}
ANGLE_ADJECTIVES: dict[str, tuple[str, ...]] = {
    "tilted": ("tilted", "tilted", "slanted"),
    "upside-down": ("upside-down", "upside down", "inverted"),
}
COUNTED: dict[int, tuple[str, ...]] = {
    1: ("one", "1", "a single"),
    2: ("two", "two", "two", "2", "a pair of", "a couple of"),
    3: ("three", "three", "three", "3", "a trio of"),
    4: ("four", "four", "four", "4", "a group of four"),
}

SOUND_NAMES: dict[str, tuple[str, ...]] = {
    "piano": ("piano", "grand piano"),
    "music box": ("music box", "musical box"),
    "xylophone": ("xylophone",),
    "bell": ("bell", "church bell"),
    "organ": ("organ", "church organ", "pipe organ"),
    "accordion": ("accordion", "squeezebox"),
    "harmonica": ("harmonica", "mouth organ"),
    "guitar": ("guitar", "acoustic guitar", "classical guitar"),
    "electric guitar": ("electric guitar", "e-guitar", "rock guitar"),
    "violin": ("violin", "fiddle"),
    "harp": ("harp",),
    "choir": ("choir",),
    "trumpet": ("trumpet",),
    "saxophone": ("saxophone", "sax"),
    "flute": ("flute",),
    "banjo": ("banjo",),
    "bagpipes": ("bagpipes",),
    "drum kit": ("drum kit", "drum set"),
}
# How people describe effects, each after "I want to hear".
EFFECTS: dict[str, tuple[str, ...]] = {
    "seashore": (
        "the sea",
        "the seashore",
        "the ocean",
        "[sea|ocean] waves",
        "the surf",
        "waves rolling in",
        "the sound of the seashore",
        "water at the seaside",
    ),
    "bird": (
        "a bird",
        "birds singing",
        "birdsong",
        "a bird tweeting",
        "a bird chirping",
        "the sound of a bird",
        "a singing bird",
    ),
    "telephone": (
        "a telephone",
        "a phone ringing",
        "a ringing telephone",
        "the ring of a telephone",
        "a telephone that rings",
        "the sound of a telephone",
    ),
    "helicopter": (
        "a helicopter",
        "a helicopter flying",
        "the noise of a helicopter",
        "helicopter blades",
        "a chopper",
        "the sound of a helicopter",
    ),
    "applause": (
        "applause",
        "people clapping",
        "an audience clapping",
        "a round of applause",
        "hands clapping",
        "a crowd that applauds",
    ),
    "gunshot": (
        "a gunshot",
        "a shot from a gun",
        "a gun going off",
        "a single gunshot",
        "the bang of a gun",
        "the sound of a gunshot",
    ),
}
# Short forms of effects, as in "seashore sound".
EFFECT_NOUNS: dict[str, tuple[str, ...]] = {
    "seashore": ("sea", "ocean", "wave", "seashore", "surf"),
    "bird": ("bird", "birdsong", "bird tweet"),
    "telephone": ("telephone", "phone ring", "ringing phone"),
    "helicopter": ("helicopter", "chopper"),
    "applause": ("applause", "clapping", "clap"),
    "gunshot": ("gunshot", "gun shot", "gun"),
}
PATTERN_PHRASES: dict[str, tuple[str, ...]] = {  # before "on the piano"
    "rising": (
        "a rising melody",
        "a rising tune",
        "an upward melody",
        "a melody going up",
        "notes that go up",
        "a run upwards",
        "a scale going up",
        "climbing notes",
    ),
    "falling": (
        "a falling melody",
        "a falling tune",
        "a downward melody",
        "a melody going down",
        "notes that go down",
        "a descending scale",
        "a run downwards",
        "a scale going down",
    ),
    "repeated": (
        "repeated notes",
        "the same note again and again",
        "one note over and over",
        "a repeated note",
        "a note that repeats",
    ),
    "chord": ("a chord", "one chord", "a nice chord", "several notes at once", "a full chord"),
    "beat": ("a beat", "a rhythm", "a groove", "a simple beat"),
}
PATTERN_TAGS: dict[str, tuple[str, ...]] = {  # after "piano, "
    "rising": ("going up", "rising", "rising melody", "upwards", "from low to high", "ascending"),
    "falling": ("going down", "falling", "falling melody", "downwards", "descending"),
    "repeated": ("repeated notes", "same note again and again", "one note repeated", "repeated"),
    "chord": ("a chord", "one chord", "chord", "just a chord"),
    "beat": ("a beat", "beat", "rhythm"),
}
TEMPO_ADJECTIVES = {
    "slow": ("slow", "slow", "calm", "unhurried"),
    "fast": ("fast", "quick", "rapid"),
}
PITCH_ADJECTIVES = {"low": ("low", "deep", "low-pitched"), "high": ("high", "high-pitched")}


def thing_name(rng: random.Random, concept: str) -> str:
    """The concept as somebody calls it."""
    if concept not in OTHER_NAMES or rng.random() < USUAL:
        return concept
    return rng.choice(OTHER_NAMES[concept])


def plural_of(name: str) -> str:
    """ "slices of pizza", "kitties"."""
    first, of, rest = name.partition(" of ")
    return plural(first) + of + rest

"""How a sentence is typed: in lower case, in capitals, with slips, as text speak."""

import random
import re

from mosit_data.world.vocabulary import COLOURS, CONCEPTS, SOUNDS, plural

WORD = re.compile(r"[A-Za-z']+")
MANNERS = {"careful": 36, "casual": 30, "lower": 16, "sloppy": 12, "excited": 4, "capitals": 2}
SLIPS = (1, 1, 1, 2, 2, 3)  # words with a slip, in a sloppy sentence
SHORTEST = 4  # letters of a word that gets a slip
NAMES = frozenset(
    part
    for name in (*(c.name for c in CONCEPTS), *SOUNDS, *COLOURS)
    for word in (name, plural(name))
    for part in word.split()
)
WORDS = frozenset(
    [
        "left",
        "right",
        "above",
        "below",
        "flat",
        "rising",
        "falling",
        "high",
        "fast",
        "slow",
        "small",
        "large",
    ]
)

NEIGHBOURS = dict(
    zip(
        "qwertyuiopasdfghjklzxcvbnm",
        (
            *("wa", "qes", "wrd", "etf", "ryg", "tuh", "yij", "uok", "ipl", "ol", "qsz", "wadx"),
            *("sefc", "drgv", "fthb", "gyjn", "hukm", "jilo", "kop", "asx", "zsdc", "xdfv"),
            *("cfgb", "vghn", "bhjm", "njk"),
        ),
        strict=True,
    )
)
# What people write who spell by ear.
BY_EAR = (
    *(("ph", "f"), ("ck", "k"), ("ie", "ei"), ("ei", "ie"), ("ea", "ee"), ("ll", "l")),
    *(("tt", "t"), ("rr", "r"), ("oo", "u"), ("c", "k"), ("er", "ar"), ("le", "el")),
    *(("au", "aw"), ("gh", "g"), ("ai", "ay"), ("y", "ie"), ("s", "z"), ("mb", "m")),
)
TEXT_SPEAK: dict[str, tuple[str, ...]] = {
    "please": ("pls", "plz", "plss"),
    "you": ("u",),
    "your": ("ur",),
    "are": ("r",),
    "want to": ("wanna",),
    "going to": ("gonna",),
    "give me": ("gimme",),
    "let me": ("lemme",),
    "picture": ("pic",),
    "pictures": ("pics",),
    "video": ("vid",),
    "videos": ("vids",),
    "background": ("bg", "backround"),
    "because": ("cuz", "bc"),
    "thanks": ("thx", "ty"),
    "thank you": ("thx", "ty"),
    "some": ("sum",),
    "what is": ("whats", "wats"),
    "do not": ("dont",),
    "don't": ("dont",),
    "can't": ("cant",),
    "I'd": ("id",),
    "I'm": ("im",),
    "it's": ("its",),
    "what's": ("whats",),
    "and": ("n", "&"),
    "something": ("smth", "sth"),
    "with": ("w",),
    "for": ("4",),
    "love": ("luv",),
    "sound": ("soud", "sond"),
    "really": ("rly",),
    "right now": ("rn",),
    "two": ("2",),
    "three": ("3",),
    "four": ("4",),
}


def typed(rng: random.Random, text: str, manner: str | None = None) -> str:
    """The sentence as somebody types it; the colours, names and numbers stay recognizable."""
    if not text.isascii():
        return text if rng.random() < 0.6 else text.rstrip("。！？")
    manner = manner or rng.choices(list(MANNERS), list(MANNERS.values()))[0]
    return MANNER[manner](rng, text)


def careful(rng: random.Random, text: str) -> str:
    return text[0].upper() + text[1:]


def casual(rng: random.Random, text: str) -> str:
    """As people type in a hurry: no capital at the start, often no mark at the end."""
    if not re.match(r"I\b", text):
        text = text[0].lower() + text[1:]
    return text.rstrip(".!") if rng.random() < 0.8 else text


def lower(rng: random.Random, text: str) -> str:
    text = text.lower().rstrip(".!")
    text = text.rstrip("?") if rng.random() < 0.7 else text
    return text.replace("'", "") if rng.random() < 0.6 else text


def capitals(rng: random.Random, text: str) -> str:
    return text.upper().rstrip(".") + rng.choice(("", "", "!", "!!!"))


def excited(rng: random.Random, text: str) -> str:
    text = casual(rng, text) if rng.random() < 0.5 else careful(rng, text)
    return text.rstrip(".!") + rng.choice(("!", "!!", "!!!", " :)", " <3", " pleeease", "!!!!"))


def sloppy(rng: random.Random, text: str) -> str:
    """Lower case, text speak and slips."""
    text = lower(rng, text) if rng.random() < 0.8 else casual(rng, text)
    text = abbreviated(rng, text, 0.5)
    places = [m for m in WORD.finditer(text) if len(m.group()) >= SHORTEST]
    for match in sorted(
        rng.sample(places, min(rng.choice(SLIPS), len(places))), key=lambda m: -m.start()
    ):
        text = text[: match.start()] + slip(rng, match.group()) + text[match.end() :]
    return text


def abbreviated(rng: random.Random, text: str, share: float) -> str:
    """Some of its words in text speak."""
    for words, short in TEXT_SPEAK.items():
        if words in text and rng.random() < share:
            text = re.sub(rf"\b{words}\b", rng.choice(short), text)
    return text


def slip(rng: random.Random, word: str) -> str:
    """The word with one mistake; never another word of the vocabulary."""
    for _ in range(8):
        wrong = rng.choice((neighbour, transposed, dropped, doubled, by_ear, by_ear))(rng, word)
        if wrong != word and wrong.lower() not in NAMES and wrong.lower() not in WORDS:
            return wrong
    return word


def neighbour(rng: random.Random, word: str) -> str:
    place = rng.randrange(1, len(word))
    near = NEIGHBOURS.get(word[place].lower())
    return word[:place] + rng.choice(near) + word[place + 1 :] if near else word


def transposed(rng: random.Random, word: str) -> str:
    place = rng.randrange(1, len(word) - 1)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def dropped(rng: random.Random, word: str) -> str:
    place = rng.randrange(1, len(word))
    return word[:place] + word[place + 1 :]


def doubled(rng: random.Random, word: str) -> str:
    place = rng.randrange(1, len(word))
    return word[:place] + word[place] + word[place:]


def by_ear(rng: random.Random, word: str) -> str:
    able = [(old, new) for old, new in BY_EAR if old in word[1:]]
    if not able:
        return dropped(rng, word)
    old, new = rng.choice(able)
    return word[0] + word[1:].replace(old, new, 1)


MANNER = {
    "careful": careful,
    "casual": casual,
    "lower": lower,
    "sloppy": sloppy,
    "excited": excited,
    "capitals": capitals,
}

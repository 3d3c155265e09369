"""Illustrated stories: every drawable thing that a story mentions is in one of its pictures.

{p} is the hero, {q} and {r} are others; {name} is a name, {a_p} has an article.
"""

import random
from typing import NamedTuple

from mosit_data.world.language.grammar import Bank, expand, say
from mosit_data.world.scene import Split
from mosit_data.world.vocabulary import article, plural

NAMES = (
    "Milo",
    "Luna",
    "Pip",
    "Nora",
    "Otto",
    "Ruby",
    "Finn",
    "Ida",
    "Max",
    "Lily",
    "Tom",
    "Mia",
    "Leo",
    "Zoe",
)
FEELING = "[little|young|curious|lonely|cheerful|shy|brave|clever|small]"
START = (
    "Once upon a time there was a " + FEELING + " {p} named {name}",
    "There was once a " + FEELING + " {p} called {name}",
    "Far away, behind the hills, lived a " + FEELING + " {p} named {name}",
    "In a quiet valley there lived a " + FEELING + " {p}, and everybody called it {name}",
)
END = (
    "From that day on they were [best |good |]friends.",
    "And they lived happily ever after.",
    "They laughed all the way home.",
    "That night everybody slept well.",
    "It was the best day of the year.",
)


class Plot(NamedTuple):
    """The beats of a story: the words, and which of its things the picture shows."""

    beats: tuple[tuple[str, str], ...]
    about: Bank  # what a user may say about the hero


MEETING = Plot(
    (
        (
            "p",
            (
                "[{start}]. [Every day was the same, and {name} wished for a friend.|{name} had "
                "nobody to play with.]"
            ),
        ),
        (
            "q",
            (
                "[One morning|One day|One sunny day], {name} went for a walk and met {a_q}. "
                '"[Will you play with me|Shall we be friends]?" asked the {p}. The {q} [smiled '
                "and nodded|said yes at once]."
            ),
        ),
        (
            "r",
            (
                "Together they [found|discovered] {a_r}, and it was [bigger|more beautiful] than "
                "anything they had ever seen."
            ),
        ),
        ("p", "When the day was over, the {p} was not lonely any more. [{end}]"),
    ),
    (
        "who [looks for|needs|finds] a friend",
        "who is [lonely|all alone]",
        "and [its new|a new] friend",
    ),
)
SEARCH = Plot(
    (
        (
            "p",
            (
                "[{start}]. One morning {name} [woke up and wanted to see the world|heard a "
                "strange noise outside]."
            ),
        ),
        (
            "q",
            (
                'The {p} walked for a long time and found {a_q}. "[How wonderful|What a '
                'surprise]!" it [thought|called].'
            ),
        ),
        (
            "r",
            (
                "A little later there was {a_r}, and {name} [stopped and looked at it for an hour|"
                "could not stop smiling]."
            ),
        ),
        (
            "p",
            (
                "In the evening the {p} [came home tired and happy|told everybody about the trip]. "
                "[{end}]"
            ),
        ),
    ),
    ("who wants to see the world", "on a [trip|journey|long walk]", "who goes on an adventure"),
)
LOST = Plot(
    (
        ("p", "[{start}]. {name} had lost something and was very sad about it."),
        (
            "q",
            (
                '"Have you looked everywhere?" asked {a_q}. "I will help you," it said, and they '
                "began to search [at once|together]."
            ),
        ),
        (
            "r",
            (
                "Behind the last hill they saw {a_r}. There it was! [{name} jumped for joy|{name} "
                "danced in a circle]."
            ),
        ),
        ("p", "The {p} thanked everybody who had helped. [{end}]"),
    ),
    ("who [lost something|is looking for something]", "who cannot find a thing"),
)
COURAGE = Plot(
    (
        ("p", "[{start}]. {name} was afraid of the dark and never went out at night."),
        (
            "q",
            (
                'Then {a_q} [came by|appeared] and said: "You are braver than you think. Come '
                'with me."'
            ),
        ),
        ("r", "They went out together, step by step, and found {a_r} that nobody had seen before."),
        ("p", "Since then the {p} has not been afraid any more. [{end}]"),
    ),
    ("who is [afraid of the dark|scared at night]", "who becomes brave"),
)
DREAM = Plot(
    (
        ("p", "[{start}]. {name} had a big dream, but everybody said that it was impossible."),
        (
            "q",
            (
                'The {p} practised every day. Only {a_q} believed in it and [cheered|said: "Try '
                'once more"].'
            ),
        ),
        ("r", "One day {a_r} came along, and suddenly everything [was easy|went well]."),
        ("p", "So the dream came true, because {name} never gave up. [{end}]"),
    ),
    ("with a [big|great] dream", "who never gives up"),
)
BEDTIME = Plot(
    (
        ("p", "[{start}]. It was late, and {name} could not fall asleep."),
        (
            "q",
            (
                '{A_q} [looked in|came very quietly] and whispered: "Close your eyes and count '
                'to ten."'
            ),
        ),
        ("r", "{name} began to dream of {a_r}, and everything was [soft and quiet|warm and calm]."),
        ("p", "And before it came to ten, the {p} was fast asleep. Good night."),
    ),
    ("who cannot [sleep|fall asleep]", "before going to bed", "at bedtime"),
)
PLOTS = (MEETING, SEARCH, LOST, COURAGE, DREAM, BEDTIME)
# Short stories about one thing alone, of three sentences and more.
ALONE: Bank = (
    (
        "[{start}]. {name} wanted to see what was behind the hill and set off early in the "
        "morning. When the {p} came back in the evening, it knew that home was the best place of "
        "all."
    ),
    (
        "[{start}]. One day {name} got lost and did not know the way home. But the {p} stayed "
        "calm, followed the path by the water, and was back before dark."
    ),
    (
        "[{start}]. All the others laughed, because {name} was so small. Then a storm came, and it "
        "was the small {p} that saved them all."
    ),
    (
        "[{start}]. It was late, and everything was quiet outside. The {p} yawned, closed its eyes "
        "and dreamed of a wonderful day. Good night."
    ),
    (
        "[{start}]. {name} had never tried anything new. On a rainy day the {p} took courage, did "
        "something brave, and was proud for the rest of the week."
    ),
    (
        "[{start}]. Each morning {name} said hello to everybody in the village. When the {p} was "
        "ill one day, the whole village came to visit."
    ),
)
PAIRED: Bank = (
    (
        "[{start}]. Every evening {name} talked to the {q}, and the {q} listened. The {p} told it "
        "about the day, and both were content. [{end}]"
    ),
    (
        '[{start}]. One day it met {a_q} and did not know what to say. "Hello," said the {p} at '
        "last, and that was enough: soon they were friends. [{end}]"
    ),
    (
        "{A_p} and {a_q} lived side by side. One night the {p} could not sleep, so the {q} [sang a "
        "song|stayed close] until morning. [{end}]"
    ),
    (
        "{A_p} and {a_q} wanted to travel around the world. They packed their bags, walked for "
        "three days, and found out that it is nicest at home. [{end}]"
    ),
    (
        "[{start}]. Its best friend was {a_q}. When the {p} was sad, the {q} was there, and when "
        "the {q} was sad, the {p} was there. [{end}]"
    ),
)
BRAND: Bank = (
    (
        "It all began with one {p} and a big idea. Our family worked day and night, and soon "
        "people came from far away. Today every {p} is still made with love."
    ),
    (
        "[Ten|Twenty|Thirty] years ago {name} had a dream and only one {p}. With patience and a "
        "smile it became the favourite place in town. Come by and see for yourself."
    ),
    (
        "When {name} was a child, nothing was more beautiful than {a_p}. Today that joy is our "
        "work. We put a little of it into everything we do."
    ),
    (
        "{A_p} is a simple thing, but it makes people happy. That is why we started: small, honest "
        "and close to you. Welcome to our story."
    ),
)
MELTING: Bank = (
    (
        "On a cold morning the children built a {p} and called it {name}. All winter it watched "
        "them play. When spring came, the {p} melted slowly, and it promised to come back."
    ),
    (
        "{name} the {p} loved the winter. Then the days grew warmer, and it became smaller and "
        'smaller. "See you next year," it said before it melted.'
    ),
)

MELTS: Bank = ("and the spring", "in the sun", "who gets warm", "that disappears in spring")
STORY: Bank = (
    (
        "[tell|write] [me |us |]a [short |little |tiny |][story|tale|fairy tale] about {x} with "
        "{pictures}[, please|.|]"
    ),
    "a [short |little |][bedtime |fairy |]story about {x}, [with|and] {pictures}[, please|.|]",
    "[can|could] you [tell|write] a [short |little |]story about {x} and [draw|add] {pictures}?",
    "[make|create] an illustrated story about {x}: [text and |]{pictures}",
    "I [want|need|would like] a story about {x} with {pictures}[.|]",
    "[invent|think up|make up] a story about {x}, {pictures} [included|too]",
    (
        "[my kids|my daughter|my class] [want|would love] a [goodnight |]story about {x}[, with| "
        "and] {pictures}"
    ),
    "story: {x}, {pictures}",
    (
        "a [picture book|children's book] page about {x}: [a few sentences|a little text] and "
        "{pictures}"
    ),
    "tell a tale of {x}[, illustrated| with drawings], {pictures}",
    "once upon a time {x} ... go on, with {pictures}",
    "{pictures} and a story about {x}, please",
    "write [three|a few|some] sentences about {x} and put {pictures} [below|to it|after them]",
)
COMIC: Bank = (
    (
        "[make|draw|create] a [short |little |][comic|comic strip|picture story] about {x}[, |: | "
        "with ]{panels}[, please|.|]"
    ),
    "a [comic|comic strip|picture story] with {x}, {panels}",
    "[can|could] you [make|draw] a comic about {x} with {panels}?",
    "I want a [comic|strip|story] in {panels} about {x}",
    "{panels}, a comic [about|with] {x}",
)
BRAND_STORY: Bank = (
    (
        "a [short|little] [brand|company|founder's] story for my {p} [shop|stand|business|cafe] "
        "with {pictures}"
    ),
    "[write|tell] the story of our {p} [company|shop|brand] and add {pictures}",
    "[we sell|I sell|we make] {many}. [Write|Make] a [short|nice] text about us with {pictures}",
    "[text|story] for the homepage of my {p} [shop|business], and {pictures}",
    "[marketing|advertising] text about {many}, plus {pictures}",
)
PICTURES = {
    1: (
        "a picture",
        "one picture",
        "[an|one|a single] illustration",
        "[a|one|a little|a simple|a nice] drawing",
        "[1|one|a] pic",
        "[an|one|a single] image",
        "a [matching|fitting|small|single] picture",
        "a picture [of it|to go with it|at the end]",
        "[a|one] {p} [picture|drawing|pic]",
        "[a picture|a drawing|an image] of the {p}",
    ),
    2: (
        "two pictures",
        "two illustrations",
        "2 pics",
        "two drawings",
        "2 images",
        "a pair of pictures",
    ),
    3: ("three pictures", "three illustrations", "3 pics", "three drawings", "3 images"),
    4: ("four pictures", "four illustrations", "4 pics", "four drawings", "4 images"),
}
PANELS = {
    2: ("two panels", "2 panels", "two pictures"),
    3: ("three panels", "three frames", "3 pictures"),
    4: ("four panels", "4 panels", "four frames"),
}


def ask_story(
    rng: random.Random, heroes: tuple[str, ...], count: int, split: Split, about: Bank = ()
) -> str:
    """`heroes`: the one or two things that the user names."""
    hero = named(heroes) + (f" {expand(rng, rng.choice(about))}" if about else "")
    pictures = expand(rng, rng.choice(PICTURES[count]), p=heroes[0])
    return say(rng, STORY, split, x=hero, pictures=pictures)


def ask_comic(rng: random.Random, heroes: tuple[str, ...], count: int, split: Split) -> str:
    return say(rng, COMIC, split, x=named(heroes), panels=rng.choice(PANELS[count]))


def ask_brand(rng: random.Random, hero: str, split: Split) -> str:
    pictures = expand(rng, rng.choice(PICTURES[1]), p=hero)
    return say(rng, BRAND_STORY, split, p=hero, many=plural(hero), pictures=pictures)


def named(heroes: tuple[str, ...]) -> str:
    return " and ".join(article(hero) for hero in heroes)


def tell(
    rng: random.Random, plot: Plot, cast: tuple[str, str, str], count: int
) -> list[tuple[str, str]]:
    """Two to four beats: the words, and the thing that the picture behind them shows."""
    chosen = {2: plot.beats[:2], 3: plot.beats[:3], 4: plot.beats}[count]
    values = values_of(rng, cast)
    end = " " + expand(rng, rng.choice(END)) if count < 4 else ""
    beats = [(fill(rng, text, values), values[who]) for who, text in chosen]
    words, last = beats[-1]
    return [*beats[:-1], (words + end, last)]


def tell_alone(rng: random.Random, hero: str) -> str:
    return fill(rng, rng.choice(ALONE), values_of(rng, (hero, hero, hero)))


def tell_melting(rng: random.Random) -> str:
    return fill(rng, rng.choice(MELTING), values_of(rng, ("snowman", "snowman", "snowman")))


def tell_pair(rng: random.Random, first: str, second: str) -> str:
    return fill(rng, rng.choice(PAIRED), values_of(rng, (first, second, first)))


def tell_brand(rng: random.Random, hero: str) -> str:
    return fill(rng, rng.choice(BRAND), values_of(rng, (hero, hero, hero)))


def values_of(rng: random.Random, cast: tuple[str, str, str]) -> dict[str, str]:
    values = {"name": rng.choice(NAMES)}
    for letter, thing in zip("pqr", cast, strict=True):
        values |= {letter: thing, f"a_{letter}": article(thing)}
        values[f"A_{letter}"] = article(thing).capitalize()
    return values


def fill(rng: random.Random, template: str, values: dict[str, str]) -> str:
    """The start and the end of a story are templates of their own."""
    template = template.replace("[{start}]", rng.choice(START)).replace("[{end}]", rng.choice(END))
    return expand(rng, template, **values)

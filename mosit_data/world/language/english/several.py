"""Requests for several media at once.

{d} lists commands ("draw a cat, then play a flute"), {i} things ("a picture of a cat and the sound
of a flute"), {x} one thing with its article, {n} without.
"""

import random

from mosit_data.world.language.english.words.descriptions import describe
from mosit_data.world.language.grammar import Bank, expand, say
from mosit_data.world.scene import Scene, Split

NUMBERS = {2: ("two", "2"), 3: ("three", "3"), 4: ("four", "4")}
JOINERS = (
    (", then ", ", then ", ", and then "),
    (" and then ", " and then ", " and after that "),
    (", after that ", ", and afterwards ", ", and at the end "),
    (" and ", " and ", " and "),
    (", ", ", ", " and "),
    (" plus ", " plus ", " plus "),
    (". Then ", ". Then ", ". Last, "),
    (". After that ", ". After that ", ". At the end "),
    (", next ", ", next ", ", finally "),
    (" followed by ", " followed by ", " and then "),
    ("; ", "; ", "; "),
)
LISTED = (
    (", ", " and "),
    (", ", " plus "),
    (", ", ", "),
    (", then ", ", then "),
    (" + ", " + "),
    (", ", " and also "),
)
COMMANDS: dict[str, Bank] = {
    "image": (
        "draw {x}",
        "paint {x}",
        "show me {x}",
        "make a [picture|drawing] of {x}",
        "sketch {x}",
        "show a picture of {x}",
    ),
    "audio": (
        "play {x}",
        "let me hear {x}",
        "play me {x}",
        "make the sound of {x}",
        "play the sound of {x}",
    ),
    "video": (
        "animate {x}",
        "make a video of {x}",
        "show me a [clip|video] of {x}",
        "film {x}",
        "create an animation of {x}",
    ),
}
ITEMS: dict[str, Bank] = {
    "image": (
        "a picture of {x}",
        "a drawing of {x}",
        "an image of {x}",
        "a {n} picture",
        "one {n} image",
        "{x} as a picture",
        "[pic|image|picture] of {x}",
        "a {n} [visual|illustration|drawing]",
    ),
    "audio": (
        "the sound of {x}",
        "a recording of {x}",
        "audio of {x}",
        "{x} as a sound",
        "a sound: {x}",
        "{x} to listen to",
        "[a|one|the] {n} sound",
        "{n} audio",
    ),
    "video": (
        "a video of {x}",
        "a clip of {x}",
        "an animation of {x}",
        "a short video of {x}",
        "{x} as a video",
        "[clip|video|animation] of {x}",
        "a {n} [video|clip]",
    ),
}
SEQUENCE: Bank = (
    "{d}[.|]",
    "{d}[.|]",
    "please {d}[.|]",
    "first {d}[.|]",
    "[can|could] you [first |please |]{d}?",
    "I want you to {d}[.|]",
    "{d}, please[.|]",
    "in this order: {d}",
    "[ok|hey|so], {d}[.|]",
    "do this for me: {d}[.|]",
)
LIST: Bank = (
    "[give|get|send|make] me {i}[, please|.|]",
    "[give|get|send|make] me {i}[, please|.|]",
    "I [want|need|would like|'d like] {i}[, please|.|]",
    "{i}",
    "{i}[, please|, in this order|.]",
    "[can|could] I [have|get] {i}?",
    "[can|could] you make {i}?",
    "[make|create|generate|produce] {i}[.|]",
    "for [my lesson|the homepage|our slides|my class|the party]: {i}",
    "the order is: {i}",
    "please [make|prepare] {i}, one after the other",
    "[several|a few] things: {i}",
    "[all of these|everything]: {i}",
)
PICTURES: Bank = (  # {k} is a number, {i} a list of things
    "{k} [pictures|images|pics|drawings]: {i}",
    "{k} [separate|different|single] [pictures|images|drawings][: | - | with ]{i}",
    (
        "{i}, [each in its own picture|as {k} pictures|in {k} pictures|one picture each|in "
        "separate pictures]"
    ),
    "draw {k} pictures: {i}",
    "[make|give me|I want|I need] {k} [pictures|images|pics], {i}",
    "{k} [pics|pictures] [please|pls], {i}",
    "[draw|paint] {i}, but [not together|not in one picture|each one alone]",
    "a picture each of {i}",
    "a series of {k} pictures: {i}",
)
IN_TURN: Bank = (  # pictures one after the other
    "{i}",
    "{i}[, please|]",
    "[first |]{i}",
    "[draw|show me|paint|I want] {i}[, please|]",
    "[can|could] you draw {i}?",
)
TURNS = (", then ", " then ", ", and then ", ", after that ", ". Then ", " and after that ")
SHOWN: Bank = (  # a picture and then the sound of the same thing
    (
        "draw {x}[, then| and then|, and after that] [play it|let me hear how it sounds|play how "
        "it sounds|play its sound]"
    ),
    "[show|draw] {x} and play [its sound|what it sounds like]",
    "I want to see and hear {x}[.|]",
    "a picture of {x} and its sound[, please|]",
    "{n}: [first |]a picture, then the sound",
    "[picture|image] and [sound|audio] of {x}[, please|]",
    "what does {x} look like, and what does it sound like?[ Show me both.|]",
    "[let me|I want to] see {x} and then [hear|listen to] it[.|]",
    "{n}: how does it look and how does it sound?",
    "[paint|sketch] {x}, and also the sound that it makes",
    "my class should see {x} and also hear it[.|]",
)
HEARD: Bank = (  # the sound first
    "play {x}[, then| and then|, and after that] [draw it|show me a picture of it|draw one]",
    "I want to hear {x} and then see [it|one][.|]",
    "the sound of {x} and [then |]a picture of it[, please|]",
    "{n}: [first |]the sound, then a picture",
    "[sound|audio] first, picture second: {x}",
    "let me hear {x}, [then draw it|and draw it too|and then I want to see it]",
    "[sound|audio] and [picture|image] of {x}, in this order",
    "[sound|audio] of {x}, [picture|image] of {x}[, one after the other|]",
)
MOVING: Bank = (  # a picture and then a video of the same thing
    (
        "draw {x}[, then| and then|, and after that] [animate it|make a video of it|show it in a "
        "video]"
    ),
    "{x} as a picture and as a video",
    "[picture|image] and [video|clip] of {x}[, please|]",
    "{n}: a [still|picture] and a [clip|video]",
    "[show|give] me {x}, first [still|as a picture], then moving",
    "one picture and one video of {x}[, please|]",
    "[paint|sketch] {x} and make it move [after that|in a clip]",
)
STILL: Bank = (  # a video first; {x} moves
    "[make a |a ]video of {x}, then a [picture|still] of it",
    "a clip of {x} and [afterwards|then] a [still|picture|drawing] of the same thing",
    "film {x} and then draw it[.|]",
    "[video|clip]: {x}. [Then|After that] a still[ picture| image|].",
    "[first|at first] the video, {x}, then one picture of it",
)
ALL_THREE: Bank = (
    "{x} as a picture, as a sound and as a video",
    "[picture, sound and video|image, audio and video] of {x}[, please|]",
    (
        "{n}: [draw it, play it, animate it|a picture, a sound and a clip|see it, hear it, watch "
        "it move]"
    ),
    "draw {x}, play it, and make a video of it[.|]",
    "I want to see {x}, hear it and watch it move[.|]",
    "[show|give] me everything about {x}: picture, sound, video",
    "[all three|everything] for {x}: image, then audio, then video",
)
VARIANTS: Bank = (  # {k} pictures of one thing, {v} lists "on red", "in 3d"
    "{x} {v}, [as {k} separate pictures|in {k} pictures|{k} images]",
    "{k} [pictures|images|drawings] of {x}: {v}",
    "draw {x} {k} times: {v}",
    "[I want|make|give me] {k} versions of {x}: {v}",
    "{n}, {k} variants: {v}",
    "[I want|I need|please make] {k} [pictures|images], each with {x}: {v}",
    "the same {n} [in {k} pictures|{k} times]: {v}",
    "{k} times {x}, {v}[, one picture each|]",
)
EXPLAIN: Bank = (  # a sentence about {x} and its picture
    "[explain|tell me|say] in one [sentence|line] what {x} is[, then| and then| and] draw [one|it]",
    (
        "what is {x}? [One short sentence and a picture, please.|Explain it and draw one.|Answer "
        "briefly and show me one.]"
    ),
    "[one|a] [sentence|line|fact] about {many}[ and| and then|, then] a [picture|drawing|image]",
    "tell me [something|one thing] about {many} and [draw one|show me one]",
    "a [short |]description of {x} with [a picture|an illustration]",
    "describe {x} in [a sentence|a few words], then paint it",
    "[for my lesson|for a flash card|flash card]: {x}, one sentence and a drawing",
    "[write|give me] a caption about {many} and the picture for it",
)
EXPLAIN_SOUND: Bank = (
    (
        "[explain|tell me] [briefly|shortly|in a sentence] what {x} is[, then| and then| and] play "
        "[it|one]"
    ),
    (
        "what is {x}? [Explain it and play one.|Answer briefly and let me hear one.|One sentence, "
        "then the sound.]"
    ),
    (
        "[one|a] [sentence|fact] about {many}[ and| and then|, then] [a sound|play one|a bit of "
        "music on it]"
    ),
    "tell me [something|one thing] about {many} and let me hear one",
    "describe {x} in a few words, then play it",
    "for my lesson: what is {x}, and how does it sound? Text first, then audio",
)
EXPLAIN_MOVING: Bank = (
    "[one|a] [sentence|fact] about {many}, then [draw one|an image], then [a clip|animate it]",
    "tell me [something|one thing] about {many}, draw one and make a video of it",
    "{n}: a sentence, a picture and a clip",
    "explain {x} in one line, then draw it, and [finally|last] show it in a video",
)
WISH: Bank = (  # {o} is an occasion, {x} a thing
    "[make|design|create] a {o} card with {x}[ and a short text|, with a few words|]",
    "draw {x} and [add|write] a {o} [greeting|message|line]",
    "a {o} card: {x} and [one|a] nice sentence",
    "[write|say] something nice for a {o} card and draw {x} [for it|under it]",
    "{x} with a {o} [message|greeting] in words, please",
    "I need a {o} card. {x} would be nice, and a short text.",
)
OCCASIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # things, and texts
    "birthday": (
        ("cake", "balloon", "heart"),
        ("Happy birthday! May all your wishes come true.", "Happy birthday, and a wonderful year!"),
    ),
    "get well": (
        ("flower", "sun", "bird"),
        ("Get well soon! We are thinking of you.", "Get well soon and take it easy."),
    ),
    "good luck": (
        ("star", "rocket", "balloon"),
        ("Good luck! You can do it.", "Good luck, I believe in you."),
    ),
    "thank you": (
        ("flower", "heart", "sun"),
        ("Thank you for everything you do.", "Thank you, you are a real friend."),
    ),
    "valentine": (
        ("heart", "flower"),
        ("Happy Valentine's Day, with all my love.", "You make my heart happy."),
    ),
    "christmas": (
        ("snowman", "tree", "bell"),
        ("Merry Christmas to you and your family!", "Merry Christmas and a happy new year!"),
    ),
    "good night": (("moon", "star", "owl"), ("Good night and sweet dreams.", "Sleep well!")),
    "new home": (
        ("house", "key", "flower"),
        ("Welcome to your new home!", "All the best in your new home."),
    ),
    "farewell": (
        ("airplane", "sailboat", "train"),
        ("Goodbye and have a safe trip!", "All the best, we will miss you."),
    ),
}


def command(rng: random.Random, scene: Scene) -> str:
    words = describe(rng, scene)
    return expand(rng, rng.choice(COMMANDS[scene.type]), x=words.full, n=words.bare)


def item(rng: random.Random, scene: Scene) -> str:
    words = describe(rng, scene)
    bank = ITEMS[scene.type]
    if (not words.bare.isalpha() and scene.type != "video") or "," in words.bare:
        bank = tuple(template for template in bank if "{n}" not in template)
    return expand(rng, rng.choice(bank), x=words.full, n=words.bare.removesuffix(" sound"))


def ask_several(rng: random.Random, media: list[Scene], split: Split) -> str:
    """A request for media that have nothing to do with each other."""
    kind = rng.random()
    if kind < 0.08 and all(scene.type == "image" for scene in media):
        words = [describe(rng, scene).full for scene in media]
        return say(rng, IN_TURN, split, i=rng.choice(TURNS).join(words))
    if kind < 0.28 and all(scene.type == "image" for scene in media):
        words = [describe(rng, scene).full for scene in media]
        one = [f"one {w.partition(' ')[2]}" if w.startswith(("a ", "an ")) else w for w in words]
        number = rng.choice(NUMBERS[len(media)])
        return say(
            rng, PICTURES, split, k=number, i=listed(rng, one if rng.random() < 0.3 else words)
        )
    if kind < 0.6:
        return say(rng, SEQUENCE, split, d=in_order(rng, [command(rng, scene) for scene in media]))
    if kind < 0.72:
        mark = rng.choice(("{}. {}", "{}) {}", "({}) {}", "{}: {}", "- {1}"))
        lines = [mark.format(n, item(rng, s)) for n, s in enumerate(media, start=1)]
        return say(
            rng,
            ("{i}", "please make: {i}", "I need: {i}", "list: {i}"),
            split,
            i=rng.choice((" ", "\n", ", ")).join(lines),
        )
    words = [item(rng, scene) for scene in media]
    if {scene.type for scene in media} in ({"audio"}, {"video"}) and rng.random() < 0.4:
        words = [words[0], *(describe(rng, scene).full for scene in media[1:])]
    return say(rng, LIST, split, i=listed(rng, words))


def in_order(rng: random.Random, words: list[str]) -> str:
    """Commands that follow each other."""
    second, other, last = rng.choice(JOINERS)
    text = words[0]
    for index, word in enumerate(words[1:], start=1):
        joiner = last if index > 1 and index == len(words) - 1 else second if index == 1 else other
        text += joiner + word
    return text


def listed(rng: random.Random, words: list[str]) -> str:
    comma, last = rng.choice(LISTED)
    return comma.join(words[:-1]) + last + words[-1]

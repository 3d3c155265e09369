"""Turns that make nothing at first: small talk, what is unknown, and what is not attached."""

import random

from anygen.core.modality import MediaModality
from mosit_data.world.language.chinese import talk as chinese
from mosit_data.world.language.chinese.phrases import ASK as CHINESE_ASK
from mosit_data.world.language.english import requests as english
from mosit_data.world.language.english import unknown as words
from mosit_data.world.language.english.absent import ABSENT
from mosit_data.world.language.english.answers import name_of
from mosit_data.world.language.english.framing import framed
from mosit_data.world.language.english.talk import TALK
from mosit_data.world.language.english.words.descriptions import Description
from mosit_data.world.language.grammar import Bank, expand, say
from mosit_data.world.language.keyboard import typed
from mosit_data.world.language.kinds.scenes import draw, movable, portrait, unmentioned
from mosit_data.world.language.kinds.single import answer
from mosit_data.world.language.language import Language
from mosit_data.world.language.turns import Turns, assistant, user
from mosit_data.world.scene import Scene, Split, caption, sound_scene
from mosit_data.world.vocabulary import CONCEPT, CONCEPTS, SOUND_OF, SOUNDS, article, plural

MANY: dict[MediaModality, float] = {"image": 55, "audio": 22, "video": 23}
SITUATED = 0.3  # share of the unknown things that are asked for in a situation


def talk(rng: random.Random, split: Split, language: Language) -> Turns:
    """One or two rounds of small talk."""
    rounds = rng.choice([1, 1, 1, 2])
    if language == "chinese":
        pairs = [
            (say(rng, bank, split), replies) for bank, replies in rng.sample(chinese.TALK, rounds)
        ]
    else:
        rows = rng.choices(list(TALK.values()), k=rounds)
        pairs = [(say(rng, bank, split), replies) for bank, replies in rows]
    return [
        turn
        for text, replies in pairs
        for turn in (user(typed(rng, text)), assistant(rng.choice(replies)))
    ]


def absent(rng: random.Random, split: Split, language: Language) -> Turns:
    """A question about a medium that is not attached."""
    if language == "chinese":
        bank, replies = rng.choice(chinese.ABSENT)
        return [user(typed(rng, say(rng, bank, split))), assistant(rng.choice(replies))]
    bank, replies = ABSENT[rng.choices(list(ABSENT), [44, 22, 18, 8, 8])[0]]
    concept = rng.choice([c.name for c in CONCEPTS if c.kind in ("animal", "vehicle", "object")])
    text = say(rng, bank, split, c=concept, many=plural(concept))
    return [user(typed(rng, text)), assistant(rng.choice(replies))]


def refuse(rng: random.Random, split: Split, language: Language) -> Turns:
    """A request for something unknown, and an offer, which is sometimes accepted."""
    if language == "chinese":
        return chinese_refusal(rng, split)
    if rng.random() < 0.25:
        return refuse_in_part(rng, split)
    modality: MediaModality = rng.choices(list(MANY), list(MANY.values()))[0]
    request, reply, scene = UNKNOWN[modality](rng, split)
    turns = [user(typed(rng, framed(rng, request, split))), assistant(reply)]
    if rng.random() < 0.3:
        text = say(rng, words.ACCEPT, split, other=offered(scene))
        turns += [user(typed(rng, text)), answer(rng, scene, language)]
    return turns


def refuse_in_part(rng: random.Random, split: Split) -> Turns:
    """A known thing in a way that mini cannot show: it says so, and makes the thing."""
    concept = rng.choice(movable(split))
    chance = rng.random()
    if chance < 0.45:
        modality: MediaModality = "image"
        text = f"{article(concept)} {rng.choice(words.EXTRAS)}"
        pattern = words.REFUSE_EXTRA
    elif chance < 0.65:
        modality, pattern = "image", words.REFUSE_PHOTO
        text = expand(rng, rng.choice(words.REAL), x=article(concept), n=concept)
    elif chance < 0.85:
        modality, pattern = "video", words.REFUSE_ACTION
        text = f"{article(concept)} {rng.choice(words.ACTIONS)}"
    else:
        modality, pattern = rng.choice(("audio", "video")), words.REFUSE_LONG
        concept = rng.choice([name for name in movable(split) if name in SOUND_OF])
        text = expand(rng, rng.choice(words.LONG[modality]), x=article(concept))
    scene = portrait(rng, split, concept, modality)
    limit = words.LIMITS.get(modality, "")
    reply = pattern.format(x=text, thing=name_of(scene), limit=limit)
    request = typed(rng, framed(rng, asking(rng, modality, text, split), split))
    return [user(request), assistant(reply, scene)]


Refusal = tuple[str, str, Scene]  # the request, the answer, and what is offered


def unknown_picture(rng: random.Random, split: Split) -> Refusal:
    chance = rng.random()
    if chance < 0.1:
        scene = portrait(rng, split, rng.choice(list(CONCEPT)), "image")
        reply = words.REFUSE_TEXT.format(other=offered(scene))
        if rng.random() < 0.5:
            return say(rng, words.WRITE, split, w=rng.choice(words.QUOTES)), reply, scene
        return asking(rng, "image", rng.choice(words.WRITTEN), split), reply, scene
    if chance < 0.16:
        sound = rng.choice(words.PLAYED_ONLY)
        scene = draw(split, lambda: unmentioned(sound_scene(rng, sound)))
        text = article(sound)
        return (
            asking(rng, "image", text, split),
            words.REFUSE_UNDRAWN.format(x=text, it="it"),
            scene,
        )
    near = rng.choice(list(words.PICTURES))
    text = situated(rng, rng.choice(words.PICTURES[near]), words.EXTRAS)
    scene = portrait(rng, split, near, "image")
    reply = rng.choice(words.REFUSE["image"]).format(x=text, other=offered(scene))
    return asking(rng, "image", text, split), reply, scene


def unknown_sound(rng: random.Random, split: Split) -> Refusal:
    chance = rng.random()
    if chance < 0.3:
        concept = rng.choice(list(words.NOISES))
        noise = rng.choice(words.NOISES[concept])
        scene = portrait(rng, split, concept, "image")
        reply = words.REFUSE_SILENT.format(x=noise, it=article(concept))
        return asking(rng, "audio", noise, split), reply, scene
    near = rng.choice(list(words.SOUNDS))
    scene = draw(split, lambda: unmentioned(sound_scene(rng, near)))
    if chance < 0.5:
        reply = words.REFUSE_SPEECH.format(other=offered(scene))
        if rng.random() < 0.5:
            return say(rng, words.SPEAK, split, w=rng.choice(words.QUOTES)), reply, scene
        return asking(rng, "audio", rng.choice(words.SPEECH), split), reply, scene
    text = rng.choice(words.SOUNDS[near])
    reply = rng.choice(words.REFUSE["audio"]).format(x=text, other=offered(scene))
    return asking(rng, "audio", text, split), reply, scene


def unknown_video(rng: random.Random, split: Split) -> Refusal:
    near = rng.choice([name for name in words.VIDEOS if name in movable(split)])
    text = rng.choice(words.VIDEOS[near])
    if rng.random() < 0.3:
        near = rng.choice([name for name in words.PICTURES if name in movable(split)])
        text = situated(rng, rng.choice(words.PICTURES[near]), words.ACTIONS)
    scene = portrait(rng, split, near, "video")
    reply = rng.choice(words.REFUSE["video"]).format(
        x=text, other=offered(scene).removeprefix("a video of ")
    )
    return asking(rng, "video", text, split), reply, scene


UNKNOWN = {"image": unknown_picture, "audio": unknown_sound, "video": unknown_video}


def situated(rng: random.Random, thing: str, situations: tuple[str, ...]) -> str:
    """A thing, sometimes with what it does or where it is, unless its many words say that."""
    if len(thing.split()) > 3 or rng.random() >= SITUATED:
        return thing
    return f"{thing} {rng.choice(situations)}"


def asking(rng: random.Random, modality: MediaModality, text: str, split: Split) -> str:
    """A request for a thing that is described by `text`."""
    bare = text.removeprefix("a ").removeprefix("an ").removeprefix("the ")
    bank: Bank = {
        "image": english.ASK_PICTURE,
        "audio": english.SOUND_ASK,
        "video": english.ASK_VIDEO,
    }[modality]
    words_of = Description(text, bare, f"there is {text}")
    return say(rng, bank, split, x=words_of.full, n=words_of.bare, c=words_of.clause, use="")


def offered(scene: Scene) -> str:
    """What is offered, with its article."""
    return caption(scene) if scene.type == "audio" else name_of(scene)


def chinese_refusal(rng: random.Random, split: Split) -> Turns:
    modality: MediaModality = rng.choice(("image", "image", "audio"))
    text, near = rng.choice(chinese.UNKNOWN[modality])
    if modality == "image":
        scene = portrait(rng, split, near, "image")
        concept = CONCEPT[near]
        other = f"一{concept.measure}{concept.chinese}"
    else:
        scene = draw(split, lambda: unmentioned(sound_scene(rng, near)))
        other = SOUNDS[near].chinese
    request = say(rng, CHINESE_ASK[modality], split, x=text)
    reply = chinese.REFUSE[modality].format(x=text, other=other)
    turns = [user(typed(rng, request)), assistant(reply)]
    if rng.random() < 0.3:
        accepted = rng.choice(("好的。", "可以", "行，那就这个吧", "好呀"))
        turns += [user(accepted), answer(rng, scene, "chinese")]
    return turns

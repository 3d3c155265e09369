"""Dialogues about the small world, for the instruction tuning of mini.

Each kind of dialogue is one function of this file and one row of KINDS. A medium that the assistant
generates carries a caption, which mentions only what the user asked for. Held-out dialogues contain
only media of the held-out split, training dialogues none of it.
"""

import random
from collections.abc import Callable

from anygen.core.modality import MediaModality
from anygen.core.records import Content, MediaContent, Record, RecordMessage, TextContent
from mosit_data.world.language.edits import edit
from mosit_data.world.language.phrases import (
    AGAIN,
    ASK,
    CLOSING,
    CROSS,
    LEAD_IN,
    NEXT,
    NOUNS,
    ORDINALS,
    SEVERAL,
    Language,
)
from mosit_data.world.language.questions import ask_about, describe
from mosit_data.world.language.talk import ACCEPT, REFUSE, TALK, UNKNOWN
from mosit_data.world.scene import (
    PictureScene,
    Scene,
    Split,
    caption,
    centred,
    fully,
    in_split,
    parse_scene,
    related,
    sample_scene,
    sound_scene,
    video_scene,
)
from mosit_data.world.sprites import concept_names
from mosit_data.world.vocabulary import MOTIONS, SOUND_OF
from mosit_data.world.wording import fill, in_chinese, named, paraphrase

CHINESE = 0.12  # share of the dialogues that are in Chinese
SMALL_TALK = 0.12  # share of the dialogues that begin with small talk
CHANGED = 0.25  # share of the records of `sample_request` in which a change follows
MIX: dict[MediaModality, float] = {"image": 40, "audio": 30, "video": 30}


def sample_dialogue(rng: random.Random, split: Split = "train") -> Record:
    """One dialogue, of one to five user turns."""
    language: Language = "chinese" if rng.random() < CHINESE else "english"
    weights = KINDS[language]
    kind = rng.choices(list(weights), list(weights.values()))[0]
    while True:
        turns = kind(rng, split, language)
        if all(in_split(scene, split) for scene in scenes(turns)):
            break
    if kind is not talk and rng.random() < SMALL_TALK:
        turns = talk(rng, split, language) + turns
    return record(rng, turns)


def sample_caption_pair(modality: MediaModality, rng: random.Random, split: Split) -> Record:
    """For stage `encode`: a medium and a question, answered by the medium's caption."""
    scene = sample_scene(modality, rng, split)
    question, answer = describe(rng, scene)
    return record(rng, [user(*shuffled(rng, scene, question)), assistant(answer)])


def sample_request(modality: MediaModality, rng: random.Random, split: Split) -> Record:
    """For stages `decode` and `project`: a request for a medium, which is the last one made."""
    language: Language = "chinese" if rng.random() < CHINESE else "english"
    while True:
        scene = requested_scene(rng, split, modality)
        turns = request_and_answer(rng, scene, language)
        if is_changeable(scene) and rng.random() < CHANGED:
            words, scene = edit(rng, scene, language)
            turns += [user(words), answer(rng, scene, language)]
        # A change may ask for another medium: "What does it sound like?"
        if scene.type == modality and all(in_split(scene, split) for scene in scenes(turns)):
            return record(rng, turns)


def record(rng: random.Random, turns: list[RecordMessage]) -> Record:
    return Record(id=f"world-{rng.getrandbits(48):012x}", messages=turns)


def scenes(turns: list[RecordMessage]) -> list[Scene]:
    """The scenes of all media in a dialogue."""
    contents = [content for turn in turns for content in turn.content]
    return [parse_scene(c.scene) for c in contents if isinstance(c, MediaContent) and c.scene]


# --- the kinds of dialogue ---


def generate(rng: random.Random, split: Split, language: Language) -> list[RecordMessage]:
    """A request for one medium."""
    return request_and_answer(rng, requested_scene(rng, split), language)


def pair(rng: random.Random, split: Split, language: Language) -> list[RecordMessage]:
    """A request for two things in one picture: the hardest condition to predict."""
    return request_and_answer(rng, related(rng, concept_names()), language)


def understand(rng: random.Random, split: Split, language: Language) -> list[RecordMessage]:
    """A medium from the user, and one or two questions about it."""
    scene = sample_scene(pick_modality(rng), rng, split)
    (question, reply), *rest = ask_about(rng, scene, rng.choice([1, 1, 2]), language)
    turns = [user(*shuffled(rng, scene, question)), assistant(reply)]
    return turns + [turn for q, a in rest for turn in (user(q), assistant(a))]


def make_and_ask(rng: random.Random, split: Split, language: Language) -> list[RecordMessage]:
    """A request for a medium, and a question about the result."""
    turns = generate(rng, split, language)
    [(question, reply)] = ask_about(rng, scenes(turns)[0], 1, language)
    return [*turns, user(question), assistant(reply)]


def several(rng: random.Random, split: Split, language: Language) -> list[RecordMessage]:
    """Two or three media in one answer, in the order of the request."""
    media = [requested_scene(rng, split) for _ in range(rng.choice([2, 2, 2, 3]))]
    names = [named(scene) for scene in media]
    listed = ", ".join(names[:-1]) + " and " + names[-1]
    contents: list[str | Scene] = []
    for index, (scene, name) in enumerate(zip(media, names, strict=True)):
        words = rng.choice(NEXT) if index else "Here is {x}."
        contents += [text for text in [words.format(x=name)] if text] + [scene]
    if rng.random() < 0.25:
        contents = [content for content in contents if not isinstance(content, str)]
    text = casual(rng, rng.choice(SEVERAL).format(list=listed))
    turns = [user(text), assistant(*contents)]
    return turns + revisit(rng, media, language) if rng.random() < 0.25 else turns


def revisit(rng: random.Random, media: list[Scene], language: Language) -> list[RecordMessage]:
    """A change to one of several media, if any of them can be changed."""
    candidates = [pair for pair in zip(ORDINALS, media, strict=False) if is_changeable(pair[1])]
    if not candidates:
        return []
    which, scene = rng.choice(candidates)
    words, scene = edit(rng, scene, language)
    text = f"{rng.choice(AGAIN).format(which=which)} {words}"
    return [user(text), answer(rng, scene, language)]


def cross(rng: random.Random, split: Split, language: Language) -> list[RecordMessage]:
    """A medium from the user, answered by the same thing in another modality."""
    source, target = rng.choice(list(CROSS))
    concept, motion = rng.choice(list(SOUND_OF)), rng.choice(list(MOTIONS))
    shown = portrait(rng, concept, source, rng.choice(list(MOTIONS)))
    requested = portrait(rng, concept, target, motion).model_copy(update={"mentions": ()})
    words = rng.choice(CROSS[source, target]).format(value=motion)
    return [user(*shuffled(rng, shown, casual(rng, words))), answer(rng, requested, language)]


def change(rng: random.Random, split: Split, language: Language) -> list[RecordMessage]:
    """One to three follow-ups that change a medium from the model or from the user."""
    scene = changeable(rng, split)
    if rng.random() < 0.6:
        turns = request_and_answer(rng, scene, language)
    else:
        shown, scene = scene, fully(scene)
        words, scene = edit(rng, scene, language)
        turns = [user(*shuffled(rng, shown, words)), answer(rng, scene, language)]
    for _ in range(rng.choice([1, 1, 2, 3] if split == "train" else [1])):
        words, scene = edit(rng, scene, language)
        turns += [user(words), answer(rng, scene, language)]
    return turns


def refuse(rng: random.Random, split: Split, language: Language) -> list[RecordMessage]:
    """A request for something unknown, and an offer, which is sometimes accepted."""
    modality = pick_modality(rng)
    unknown = rng.choice(UNKNOWN[modality])
    scene = requested_scene(rng, split, modality)
    words = rng.choice(REFUSE[modality]).format(x=unknown, other=caption(scene))
    text = casual(rng, rng.choice(ASK["english"][modality]).format(x=unknown, bare=unknown))
    turns = [user(text), assistant(words)]
    if rng.random() < 0.3:
        turns += [user(rng.choice(ACCEPT)), answer(rng, scene, language)]
    return turns


def talk(rng: random.Random, split: Split, language: Language) -> list[RecordMessage]:
    """Small talk, without media."""
    pairs = rng.sample(TALK[language], rng.choice([1, 1, 2]))
    return [turn for text, reply in pairs for turn in (user(text), assistant(reply))]


Kind = Callable[[random.Random, Split, Language], list[RecordMessage]]
KINDS: dict[Language, dict[Kind, float]] = {
    "english": {
        generate: 28,
        pair: 40,
        understand: 36,
        make_and_ask: 5,
        several: 10,
        cross: 9,
        change: 12,
        refuse: 6,
        talk: 4,
    },
    "chinese": {generate: 50, understand: 30, change: 16, talk: 4},
}


# --- their parts ---


def pick_modality(rng: random.Random) -> MediaModality:
    return rng.choices(list(MIX), list(MIX.values()))[0]


def requested_scene(
    rng: random.Random, split: Split, modality: MediaModality | None = None
) -> Scene:
    """A scene as people request it: often by nothing but the name."""
    scene = sample_scene(modality or pick_modality(rng), rng, split)
    return scene if rng.random() < 0.65 else scene.model_copy(update={"mentions": ()})


def changeable(rng: random.Random, split: Split) -> Scene:
    while True:
        scene = requested_scene(rng, split)
        if is_changeable(scene):
            return scene


def is_changeable(scene: Scene) -> bool:
    """Whether edits apply: to sounds, videos, and pictures of one upright thing."""
    if not isinstance(scene, PictureScene):
        return True
    return len(scene.things) == 1 and not scene.things[0].angle


def portrait(rng: random.Random, concept: str, modality: MediaModality, motion: str) -> Scene:
    """A thing that has a sound: as a picture, as its sound or as a video."""
    if modality == "audio":
        return sound_scene(rng, SOUND_OF[concept])
    return centred(rng, (concept,)) if modality == "image" else video_scene(rng, concept, motion)


def request_and_answer(rng: random.Random, scene: Scene, language: Language) -> list[RecordMessage]:
    """A request for a medium and its answer."""
    return [user(request(rng, scene, language)), answer(rng, scene, language)]


def request(rng: random.Random, scene: Scene, language: Language) -> str:
    described = paraphrase(rng, scene, language)
    words = rng.choice(ASK[language][scene.type])
    return casual(rng, fill(words, described))


def casual(rng: random.Random, words: str) -> str:
    """Sometimes as people type: without a capital letter or a full stop."""
    if rng.random() < 0.25:
        words = words[0].lower() + words[1:] if not words.startswith("I ") else words
        words = words.rstrip(".")
    return words


def answer(rng: random.Random, scene: Scene, language: Language) -> RecordMessage:
    """The medium, usually with a few words before it, after it, or both."""
    described = in_chinese(scene) if language == "chinese" else caption(scene)
    before, after = (
        fill(rng.choice(table[language]), described, NOUNS[scene.type])
        for table in (LEAD_IN, CLOSING)
    )
    orders: list[tuple[str | Scene, ...]] = [
        (before, scene),
        (scene,),
        (scene, after),
        (before, scene, after),
    ]
    return assistant(*rng.choices(orders, [70, 12, 10, 8])[0])


def shuffled(rng: random.Random, scene: Scene, words: str) -> tuple[str | Scene, str | Scene]:
    """A medium and the text about it, usually in this order."""
    return (scene, words) if rng.random() < 0.7 else (words, scene)


def user(*parts: str | Scene) -> RecordMessage:
    return RecordMessage(role="user", content=[content(part) for part in parts])


def assistant(*parts: str | Scene) -> RecordMessage:
    """Its media carry captions, from which the decoders' conditions are learned."""
    return RecordMessage(
        role="assistant", content=[content(part, captioned=True) for part in parts]
    )


def content(part: str | Scene, captioned: bool = False) -> Content:
    if isinstance(part, str):
        return TextContent(text=part)
    text = caption(part) if captioned else None
    return MediaContent(type=part.type, scene=part.model_dump(mode="json"), caption=text)

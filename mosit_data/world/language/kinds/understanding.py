"""A user's own medium: questions about it, and requests for the same thing in another modality."""

import random

from anygen.core.modality import MediaModality
from mosit_data.world.language.chinese.questions import questions as chinese_questions
from mosit_data.world.language.english.framing import GREETING
from mosit_data.world.language.english.questions import phrase, questions
from mosit_data.world.language.english.words.motions import (
    motion_phrase,
    present_participle,
    third_person,
)
from mosit_data.world.language.grammar import Bank, say
from mosit_data.world.language.keyboard import typed
from mosit_data.world.language.kinds.scenes import pick_modality, portrait
from mosit_data.world.language.kinds.single import answer
from mosit_data.world.language.language import Language
from mosit_data.world.language.turns import Turns, assistant, shuffled, user
from mosit_data.world.scene import Scene, Split, sample_scene
from mosit_data.world.vocabulary import MOTIONS, SOUND_OF

CROSS: dict[tuple[MediaModality, MediaModality], Bank] = {
    ("image", "audio"): (
        "play what you see",
        "what does [this|that|it] sound like?",
        "let me hear [the thing in this picture|this|it][, please|]",
        "[make|play] the [sound|noise] of this[ thing|]",
        (
            "[which|what] [sound|noise] does [this|it] make? [Play it.|Let me hear it.|I want to "
            "hear it.]"
        ),
        "[can|could] you play [this|the thing I drew|it]?",
        "how does [this|the thing on the picture] sound?",
        "turn this [picture|image] into [sound|audio]",
        "I want to [hear|listen to] [this|it]",
        "play [this|it] for me",
    ),
    ("audio", "image"): (
        "draw what [you hear|is playing|makes this sound]",
        "draw the thing that makes this sound",
        "show me a picture of what is playing",
        "what does this look like?",
        "[can|could] you draw [this|it|what I recorded]?",
        "turn this sound into a [picture|drawing]",
        "what makes this [sound|noise]? [Draw it.|Show me a picture.|Paint it please.]",
        "I want to see what [makes|made] this [sound|noise]",
        "[paint|sketch] the thing you hear",
        "a picture [of|for] this sound, please",
    ),
    ("video", "audio"): (
        "let me hear the thing in this [video|clip]",
        "what does the thing in this [video|clip] sound like?",
        "make the sound of what you see here",
        "[add|give me|play] the sound [for|of] this [video|clip]",
        "the [video|clip] is silent, play its sound",
        "[can|could] you play what moves here?",
    ),
    ("audio", "video"): (
        "show what you hear {ing}",
        "make a [video|clip] of what is playing, {ing}",
        "animate the thing that you hear: it {s}",
        "[a video|a clip], please: what you hear {s}",
        "I want to watch the thing that makes this sound. it should {v}",
        "film what makes this sound, {ing}",
    ),
    ("video", "image"): (
        "[draw|paint] what [moves|you see] [here|in this clip]",
        "[a|one] still [picture|image] of this, please",
        "draw the thing in this [video|clip]",
        "[can|could] I have this as a picture?",
        "make a [picture|drawing] of what moves here",
    ),
}
CHINESE_CROSS: dict[tuple[MediaModality, MediaModality], Bank] = {
    ("image", "audio"): (
        "这是什么声音？放给我听",
        "放一下它的声音",
        "让我听听它的声音",
        "它听起来怎么样？",
    ),
    ("audio", "image"): (
        "画出你听到的",
        "把这个画下来",
        "这是什么？画给我看",
        "画一下发出声音的东西",
    ),
}


def ask_about(
    rng: random.Random, scene: Scene, count: int, language: Language, split: Split = "train"
) -> list[tuple[str, str]]:
    """`count` different questions that the scene can answer, or all if there are fewer."""
    make = questions if language == "english" else chinese_questions
    candidates = list(make(rng, scene))
    chosen = rng.sample(candidates, min(count, len(candidates)))
    return [(phrase(rng, question, split), reply) for question, reply in chosen]


def understand(rng: random.Random, split: Split, language: Language) -> Turns:
    """A medium from the user, and one or two questions about it."""
    scene = sample_scene(pick_modality(rng), rng, split)
    pairs = ask_about(rng, scene, rng.choice([1, 1, 2]), language, split)
    if language == "english" and rng.random() < 0.12:
        pairs[0] = (say(rng, GREETING, split) + pairs[0][0], pairs[0][1])
    (question, reply), *rest = [(typed(rng, q), a) for q, a in pairs]
    turns = [user(*shuffled(rng, scene, question)), assistant(reply)]
    return turns + [turn for q, a in rest for turn in (user(q), assistant(a))]


def cross(rng: random.Random, split: Split, language: Language) -> Turns:
    """A medium from the user, answered by the same thing in another modality."""
    table = CROSS if language == "english" else CHINESE_CROSS
    source, target = rng.choice(list(table))
    concept, motion = rng.choice(list(SOUND_OF)), rng.choice(list(MOTIONS))
    shown = portrait(rng, split, concept, source, rng.choice(list(MOTIONS)))
    requested = portrait(rng, split, concept, target, motion)
    moves = motion_phrase(rng, concept, motion)
    forms = {"v": moves, "ing": present_participle(moves), "s": third_person(moves)}
    text = typed(rng, say(rng, table[source, target], split, **forms))
    return [user(*shuffled(rng, shown, text)), answer(rng, requested, language)]

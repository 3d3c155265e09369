"""Kinds of dialogues about a medium that the user shows: LLaVA's three, and those of LAMM.

An LLM writes from captions and boxes, or sees the medium; the grammar knows the scene.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from mosit_data.build.dialogues import RawDialogue, RawPart, exchange, parse_json
from mosit_data.build.jobs import Job, Medium
from mosit_data.build.presets.base import (
    FORM,
    NOUNS,
    Kind,
    Step,
    Texts,
    corners,
    turns_json,
    what_is_known,
)
from mosit_data.world.language.english.questions import questions, sentence
from mosit_data.world.language.english.words.motions import FLYING
from mosit_data.world.language.grammar import Bank, say
from mosit_data.world.language.kinds.understanding import ask_about
from mosit_data.world.scene import Scene, SoundScene, VideoScene, caption, fully, parse_scene
from mosit_data.world.vocabulary import CONCEPT, article

AFTER_MEDIUM = 0.3  # chance that the user writes first and shows the medium after it

AS_ONE_WHO_SEES = """You are given what is known of a picture, sound or video that a user shows to
an assistant. Write as if both had it before them: never mention captions, boxes, labels or that you
were given anything. Say only what is certain from what you are given."""
TALK_RULES = f"""{AS_ONE_WHO_SEES} Write a conversation of two to four rounds. The questions are
diverse: what things there are and how many, their looks, what they do and where they are. {FORM}"""
FACTS_RULES = f"""{AS_ONE_WHO_SEES} Write a conversation of two to three rounds about what one knows
of the things that are shown: their origin, use or habits. Every answer is well-known fact.
{FORM}"""
REASONING_RULES = f"""{AS_ONE_WHO_SEES} Write one question that takes several steps of thought, and
its answer. The question does not say what is shown; the answer explains itself step by step.
{FORM}"""
DETAIL_RULES = f"""{AS_ONE_WHO_SEES} Describe it in detail: all things, their looks and places, and
how they belong together. Answer with the description alone, without a title."""
PLACES_RULES = f"""{AS_ONE_WHO_SEES} Write one round in which the user asks where one of the things
with a box is, and the assistant gives left, top, right and bottom of that box, copied digit by
digit, as [0.10, 0.20, 0.30, 0.40]. The question says that it wants these four numbers. {FORM}"""

DETAIL: Bank = (
    "[describe|explain] [this|the] {noun} in detail[.|, please.]",
    "[give|write] [me |]a [detailed|thorough|full] description of [this|the] {noun}[.|, please.]",
    "what is [there|in this {noun}]? [Tell me everything.|Leave nothing out.|Be thorough.]",
    "[can|could] you describe [this|the] {noun} [in detail|as fully as you can]?",
    "tell me all [about|that is in] this {noun}[.|, please.]",
    "[leave nothing out|be thorough]: what is [there|in this {noun}]?",
)
WHERE: Bank = (
    "where is the {name}? [Answer with|Give] its left, top, right and bottom, from 0 to 1.",
    "[find|locate] the {name}: left, top, right, bottom, as shares of width and height.",
    "[give|tell] me the box of the {name}: left, top, right, bottom, in shares from 0 to 1.",
)


def known(job: Job, earlier: Texts) -> str:
    return what_is_known(job.media[0])


def scene_of(job: Job) -> Scene:
    """The scene that the grammar writes about; it is not used for files."""
    return parse_scene(job.media[0].scene or {})


# --- parse


def with_medium(job: Job, dialogue: RawDialogue) -> RawDialogue:
    """The dialogue with the job's medium in its first turn."""
    medium = job.media[0]
    part = RawPart.model_validate({medium.type: medium.caption})
    first, *rest = dialogue.turns
    after = random.Random(f"{job.seed} place").random() < AFTER_MEDIUM
    parts = [*first.parts, part] if after else [part, *first.parts]
    return RawDialogue(turns=[first.model_copy(update={"parts": parts}), *rest])


def parse_turns(job: Job, texts: Texts) -> RawDialogue:
    dialogue = parse_json(texts[-1])
    return with_medium(job, dialogue) if dialogue.turns else dialogue


def answers_to(bank: Bank) -> Callable[[Job, Texts], RawDialogue]:
    """The writer's text answers a question that is drawn afterwards."""

    def parse(job: Job, texts: Texts) -> RawDialogue:
        rng = random.Random(f"{job.seed} question")
        question = say(rng, bank, job.split, noun=NOUNS[job.media[0].type])
        return with_medium(job, exchange(question[0].upper() + question[1:], texts[-1]))

    return parse


# --- the grammar


def conversation(rng: random.Random, job: Job, earlier: Texts) -> str:
    return turns_json(ask_about(rng, scene_of(job), rng.randint(2, 4), "english", job.split))


def description(rng: random.Random, job: Job, earlier: Texts) -> str:
    """The caption and, in sentences, what else the scene answers without a yes or no."""
    scene = scene_of(job)
    replies = [reply for _, reply in questions(rng, scene) if not reply.startswith(("Yes", "No"))]
    known = {sentence(caption(scene)), sentence(caption(fully(scene)))}
    if not isinstance(scene, SoundScene):
        known.add(f"It is {scene.background}.")  # "it" is the background
    others = [reply for reply in dict.fromkeys(replies) if reply not in known]
    return " ".join([sentence(caption(fully(scene))), *others[:5]])


def reasoning(rng: random.Random, job: Job, earlier: Texts) -> str:
    return turns_json([rng.choice(list(conclusions(scene_of(job))))])


def facts(rng: random.Random, job: Job, earlier: Texts) -> str:
    candidates = list(conclusions(scene_of(job)))
    return turns_json(rng.sample(candidates, min(len(candidates), rng.randint(2, 3))))


def conclusions(scene: Scene) -> Iterator[tuple[str, str]]:
    """Questions whose answers follow from what is shown and from what things are."""
    if isinstance(scene, SoundScene):
        text = caption(scene)
        if scene.pattern:
            yield "Is what I hear music? How do you know?", f"Yes. It is {text}, so it is music."
            yield (
                "Would it suit a concert?",
                f"Yes. It is {text}, and that is what one plays there.",
            )
        else:
            yield (
                "Is what I hear music? How do you know?",
                f"No. It is {text}, and that has no tune.",
            )
            yield "Would it suit a concert?", f"Hardly: it is {text}, and that has no tune."
        return
    thing = scene.thing if isinstance(scene, VideoScene) else scene.things[0]
    name = article(thing.concept)
    kind = CONCEPT[thing.concept].kind
    yield (
        "Is what you see alive? Why?",
        (
            f"Yes. It is {name}, and that is an animal."
            if kind == "animal"
            else f"It is {name}, which is {KINDS[kind]}, so it is no animal."
        ),
    )
    if kind in ("food", "vehicle", "instrument"):
        because = f"It is {name}, and that is {KINDS[kind]}."
        yield "Could one eat it? Why?", f"{'Yes' if kind == 'food' else 'No'}. {because}"
        yield "Could one travel in it? Why?", f"{'Yes' if kind == 'vehicle' else 'No'}. {because}"
        yield (
            "Could one play a tune on it?",
            f"{'Yes' if kind == 'instrument' else 'No'}. {because}",
        )
    if thing.concept in FLYING:
        yield "Could it leave the ground? Why?", f"Yes. It is {name}, and that can fly."
    if isinstance(scene, VideoScene) and scene.motion.startswith("moving"):
        direction = scene.motion.removeprefix("moving ")
        where = (
            f"Further {direction}" if direction in ("up", "down") else f"Further to the {direction}"
        )
        yield "Where will it be if it goes on like this?", f"{where}, since it moves {direction}."


KINDS = {
    "food": "food",
    "vehicle": "a vehicle",
    "instrument": "an instrument",
    "nature": "a part of nature",
    "object": "an object",
}


def place(rng: random.Random, job: Job, earlier: Texts) -> str:
    box = rng.choice([box for box in job.media[0].boxes if is_single(box.name, job.media[0])])
    question = say(rng, WHERE, job.split, name=box.name)
    return turns_json([(question[0].upper() + question[1:], f"[{corners(box.corners)}]")])


def is_single(name: str, medium: Medium) -> bool:
    return [box.name for box in medium.boxes].count(name) == 1


def has_single_box(medium: Medium) -> bool:
    return any(is_single(box.name, medium) for box in medium.boxes)


# --- the kinds

CONVERSATION = Kind(
    "conversation", (Step(TALK_RULES, known, conversation, is_json=True),), parse_turns
)
FACTUAL = Kind("factual", (Step(FACTS_RULES, known, facts, is_json=True),), parse_turns)
REASONING = Kind("reasoning", (Step(REASONING_RULES, known, reasoning, is_json=True),), parse_turns)
DETAILED = Kind("detail", (Step(DETAIL_RULES, known, description),), answers_to(DETAIL), 300)
PLACES = Kind(
    "places", (Step(PLACES_RULES, known, place, is_json=True),), parse_turns, suits=has_single_box
)


def with_sight(kind: Kind) -> Kind:
    """The kind as an LLM writes it that is shown the medium, too."""
    steps = tuple(replace(step, sees=True) for step in kind.steps)
    return replace(kind, name=f"{kind.name}, seen", steps=steps)

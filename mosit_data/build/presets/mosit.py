"""MosIT (NExT-GPT, Wu et al. 2023): several rounds about a topic, answered with media."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

from anygen.core.records import Content, RecordMessage, TextContent
from anygen.core.text import to_json
from mosit_data.build.dialogues import RawDialogue, parse_json
from mosit_data.build.jobs import Job, Medium
from mosit_data.build.presets.base import FORM, Kind, Preset, Step, Texts
from mosit_data.build.topics import plan_topics
from mosit_data.world.language.english.answers import named
from mosit_data.world.language.english.question_phrases import DESCRIBE
from mosit_data.world.language.english.questions import described
from mosit_data.world.language.english.several import LIST, listed
from mosit_data.world.language.grammar import Bank, say
from mosit_data.world.language.kinds.several import request_and_answers
from mosit_data.world.language.kinds.single import request_and_answer
from mosit_data.world.language.kinds.talking import asking, talk
from mosit_data.world.language.turns import Turns, assistant, shuffled, user
from mosit_data.world.scene import caption, parse_scene

TALK = 0.25  # chance of small talk at the end
TOGETHER = 0.5  # chance that a further medium is asked for in the same request

RULES = f"""You write one dialogue between a user and an assistant who can make pictures, sounds and
videos. {FORM}
A part is a text, or a medium: {{"image": "a caption"}}, audio or video with its caption.
What the user shows stands in a turn of the user, who asks about it; the assistant's answer says
only what the caption says. What the assistant makes stands in its turn, after the user has asked
for it in words of their own. At most six rounds, with short turns. Vary your sentences. Mention
neither captions nor rules."""
LISTED = """Use every medium of this list once, in the order of the list, with its caption copied
letter by letter, and no other medium:"""
FREE = """Write captions of your own, of 3 to 30 words each, that say all that is to be seen or
heard and need no other words. The assistant makes, at least once each and nothing else:"""

ARTICLE = re.compile(r"^(An?|The)\b")
OPENINGS: Bank = (
    "[let's|let us|I want to|can we] talk about {topic}[. |, please. |! ]",
    "[today|this week|this morning|tonight] [it is|it's] all about {topic}[. |, you know. |! ]",
    "[I am|I'm] {persona}, and [all I think of is|I am busy with|today is about] {topic}. ",
    "[I can't stop thinking|I keep thinking|I was just thinking] [about|of] {topic}. ",
    "[my day was|my head is|this house is] full of {topic}[. |, as always. |! ]",
    "as {persona} I [love|never tire of|dream of] {topic}. ",
    "{topic}, [that is all I want|what else|again]! ",
    "[this is|it is] for {topic}[. |: | again. ]",
    "[help me|get me ready] with {topic}[. |, please. ]",
    "[we are|I am] planning something [about|around|with] {topic}. ",
)


HERE: Bank = (
    "[here it is|here you are|there you go][.|!|:]",
    "[sure|of course]. [here you are|here it is][.|:]",
)


def request(job: Job, earlier: Texts) -> str:
    """Topic and persona differ between jobs, so that no two prompts are the same."""
    lines = [f"Topic: {job.topic}", f"The user is {job.persona}."]
    if job.character is not None:
        lines += job.character.described()
    if job.own_captions:
        return "\n".join([*lines, FREE, *(f"- {modality}" for modality in job.mix)])
    lines.append(LISTED)
    for medium in job.media:
        owner = "shown by the user" if medium.is_shown else "made by the assistant"
        lines.append(f"- {medium.type}, {owner}: {medium.caption}")
    return "\n".join(lines)


def phrase(rng: random.Random, job: Job, earlier: Texts) -> str:
    turns: list[dict[str, Any]] = []
    for media in rounds_of(rng, job.media):
        write = captioned if media[0].scene is None else of_scenes
        turns += write(rng, job, media)
    if job.character is not None:
        turns = job.character.rephrase(rng, turns)
    if rng.random() < TALK:
        turns += small_talk(rng, job)
    opening = say(rng, OPENINGS, job.split, topic=job.topic, persona=job.persona)
    turns[0]["parts"].insert(0, {"text": opening[0].upper() + opening[1:]})
    return to_json({"turns": turns})


def small_talk(rng: random.Random, job: Job) -> list[dict[str, Any]]:
    if job.character is not None and job.character.talk:
        return job.character.small_talk(rng)
    return [raw_turn(turn) for turn in talk(rng, job.split, "english")]


def rounds_of(rng: random.Random, media: Sequence[Medium]) -> list[list[Medium]]:
    """The media of each round: one that the user shows, or some that the assistant makes."""
    rounds: list[list[Medium]] = []
    for medium in media:
        can_join = bool(rounds) and not medium.is_shown and not rounds[-1][0].is_shown
        if can_join and rng.random() < TOGETHER:
            rounds[-1].append(medium)
        else:
            rounds.append([medium])
    return rounds


def of_scenes(rng: random.Random, job: Job, media: Sequence[Medium]) -> list[dict[str, Any]]:
    """A round about scenes of the small world."""
    scenes = [parse_scene(medium.scene or {}) for medium in media]
    turns: Turns
    if media[0].is_shown:
        question, answer = described(rng, scenes[0], job.split)
        turns = [user(*shuffled(rng, scenes[0], question)), assistant(answer)]
    elif len(scenes) == 1:
        turns = request_and_answer(rng, scenes[0], "english", job.split)
    else:
        turns = request_and_answers(rng, scenes, job.split)
    return [raw_turn(turn) for turn in turns]


def captioned(rng: random.Random, job: Job, media: Sequence[Medium]) -> list[dict[str, Any]]:
    """A round about media of which only captions are known."""
    first, *others = media
    if first.is_shown:
        words = say(rng, DESCRIBE[first.type], job.split)
        question = [{first.type: first.caption}, {"text": words}]
        answer = [{"text": as_sentence(first.caption)}]
    else:
        here = say(rng, HERE, job.split)
        answer = [{"text": here[0].upper() + here[1:]}, {first.type: first.caption}]
        for medium in others:
            answer += [{"text": f"And {item_of(medium)}."}, {medium.type: medium.caption}]
        if others:
            items = listed(rng, [item_of(medium) for medium in media])
            question = [{"text": say(rng, LIST, job.split, i=items)}]
        else:
            question = [{"text": asking(rng, first.type, first.caption, job.split)}]
    return [{"role": "user", "parts": question}, {"role": "assistant", "parts": answer}]


def item_of(medium: Medium) -> str:
    """ "a picture of two cats": a caption as a part of a sentence."""
    text = ARTICLE.sub(lambda found: found[0].lower(), medium.caption.rstrip(".!?"))
    return f"a picture of {text}" if medium.type == "image" else named(medium.type, text)


def as_sentence(caption: str) -> str:
    return caption[0].upper() + caption[1:] + ("" if caption.endswith((".", "!", "?")) else ".")


def raw_turn(turn: RecordMessage) -> dict[str, Any]:
    return {"role": turn.role, "parts": [raw_part(part) for part in turn.content]}


def raw_part(part: Content) -> dict[str, Any]:
    if isinstance(part, TextContent):
        return {"text": part.text}
    return {part.type: caption(parse_scene(part.scene or {}))}


def parse(job: Job, texts: Sequence[str]) -> RawDialogue:
    return parse_json(texts[-1])


MOSIT = Preset(
    kinds={Kind("mosit", (Step(RULES, request, phrase, is_json=True),), parse): 1},
    plan=plan_topics,
    needs_topics=True,
    grammar_reads_captions=True,
)

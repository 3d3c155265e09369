"""Write: what turns a job into the raw text of a dialogue.

Every writer answers in the same JSON, which a strict parser checks:
`{"turns": [{"role": "user", "parts": [{"text": "..."}, {"image": "a caption of the job"}]}]}`.
"""

from __future__ import annotations

import random
from typing import Any, Protocol

from anygen.core.records import Content, RecordMessage, TextContent
from anygen.core.text import to_json
from mosit_data.build.jobs import Job, Medium
from mosit_data.world.language.english.questions import described
from mosit_data.world.language.grammar import Bank, say
from mosit_data.world.language.kinds.single import request_and_answer
from mosit_data.world.language.kinds.talking import talk
from mosit_data.world.language.turns import Turns, assistant, shuffled, user
from mosit_data.world.scene import caption, parse_scene

TALK = 0.25  # chance of small talk at the end

OPENINGS: Bank = (
    "[let's|let us|I want to|can we] talk about {topic}[. |, please. |! ]",
    "[today|this week|this morning|tonight] [it is|it's] all about {topic}[. |, you know. |! ]",
    "I [am|'m] {persona}, and [all I think of is|I am busy with|today is about] {topic}. ",
    "[I can't stop thinking|I keep thinking|I was just thinking] [about|of] {topic}. ",
    "[my day was|my head is|this house is] full of {topic}[. |, as always. |! ]",
    "as {persona} I [love|never tire of|dream of] {topic}. ",
    "{topic}, [that is all I want|what else|again]! ",
    "[this is|it is] for {topic}[. |: | again. ]",
    "[help me|get me ready] with {topic}[. |, please. ]",
    "[we are|I am] planning something [about|around|with] {topic}. ",
)


class Writer(Protocol):
    """Writes the dialogue of a job. What depends on the job alone has one answer for each."""

    name: str
    parallel: int  # how many answers may be written at the same time

    def key(self, job: Job) -> str:
        """All that decides the answer: one that is kept under another key is written anew."""

    def write(self, job: Job) -> str: ...


class GrammarWriter:
    """Needs no LLM: requests, questions and answers are phrased by the small world's grammar."""

    name = "grammar"
    parallel = 1

    def key(self, job: Job) -> str:
        return job.model_dump_json()

    def write(self, job: Job) -> str:
        rng = random.Random(job.seed)
        turns: Turns = []
        for medium in job.media:
            turns += shown(rng, job, medium) if medium.is_shown else requested(rng, job, medium)
        if rng.random() < TALK:
            turns += talk(rng, job.split, "english")
        raw = [raw_turn(turn) for turn in turns]
        opening = say(rng, OPENINGS, job.split, topic=job.topic, persona=job.persona)
        raw[0]["parts"].insert(0, {"text": opening[0].upper() + opening[1:]})
        return to_json({"turns": raw})


def requested(rng: random.Random, job: Job, medium: Medium) -> Turns:
    return request_and_answer(rng, parse_scene(medium.scene), "english", job.split)


def shown(rng: random.Random, job: Job, medium: Medium) -> Turns:
    scene = parse_scene(medium.scene)
    question, answer = described(rng, scene, job.split)
    return [user(*shuffled(rng, scene, question)), assistant(answer)]


def raw_turn(turn: RecordMessage) -> dict[str, Any]:
    return {"role": turn.role, "parts": [raw_part(part) for part in turn.content]}


def raw_part(part: Content) -> dict[str, Any]:
    if isinstance(part, TextContent):
        return {"text": part.text}
    return {part.type: caption(parse_scene(part.scene or {}))}

"""How a question of ReForm-Eval is asked: its repeats, and the rounds of a dialogue."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from anygen.core.media import Image, Media, Message
from anygen.evaluation.suites.base import LIKELIHOOD, Case, Unit
from anygen.evaluation.suites.reading import conversation, decoded
from anygen.evaluation.suites.reform.catalogue import CUT, TaskSet
from anygen.evaluation.suites.reform.pictures import cut, with_boxes
from anygen.evaluation.suites.reform.prompts import (
    GENERATION,
    MARKS,
    REPEATS,
    marked,
    shown,
    with_options,
)
from anygen.evaluation.suites.reform.readers import DRAWN, Dialogue, Sample
from anygen.evaluation.suites.reform.scoring import option_at, place_in
from anygen.generation.request import derive_seed

PER_TOKEN = f"{LIKELIHOOD}-mean"
TOKENS = 32  # of an answer


@dataclass(frozen=True)
class Repeat:
    """A question in one order of its options; an open one has none."""

    instruction: str
    question: str
    options: tuple[str, ...]
    gold: int
    marks: str


@dataclass(frozen=True)
class Question:
    """A sample or a dialogue, and how its set is asked."""

    task: TaskSet
    sample: Sample | Dialogue
    instructions: Sequence[str]
    mode: str
    repeats: tuple[Repeat, ...] = ()  # as they were asked elsewhere, with answers in the data
    number: int = 0  # of the round, for such ones

    @property
    def rounds(self) -> Sequence[Sample]:
        return self.sample.rounds if isinstance(self.sample, Dialogue) else (self.sample,)

    @property
    def count(self) -> int:
        """How often each round is asked. Captions are written once."""
        return len(self.repeats) or (1 if self.task.family == "caption" else REPEATS)


def repeats_of(query: Question, number: int) -> list[Repeat]:
    """The repeats of a round: the same for every model and every seed."""
    if query.repeats:
        return list(query.repeats)
    return [one_repeat(query, query.rounds[number], repeat) for repeat in range(query.count)]


def one_repeat(query: Question, sample: Sample, number: int) -> Repeat:
    rng = random.Random(derive_seed(0, query.task.name, sample.id, number))
    text = query.instructions[number % len(query.instructions)]
    if query.task.question_kind:
        instruction, question = "", text.replace("{}", sample.detail)
    else:
        instruction, question = text, sample.questions[number % len(sample.questions)]
    gold = sample.options[sample.gold] if sample.options else ""
    options = [*sample.options, *(rng.sample(sample.pool, DRAWN) if sample.pool else ())]
    rng.shuffle(options)
    marks = rng.choice([row for row in MARKS if len(row) >= len(options)])
    place = options.index(gold) if options else 0
    return Repeat(instruction, question, tuple(options), place, marks)


def next_round(unit: Unit, texts: Sequence[str | None]) -> list[Case]:
    """The questions of the round after those that are answered; none after the last one.

    Before them stands what was answered most often in each round.
    """
    query: Question = unit.content
    done = len(texts) // query.count
    if done == len(query.rounds):
        return []
    history: list[str] = []
    for number in range(done):
        own = texts[number * query.count : (number + 1) * query.count]
        history += exchanged(query, number, majority(query, number, own))
    pictures = pictures_of(unit)
    return [case_of(query, repeat, pictures, history) for repeat in repeats_of(query, done)]


def chosen(query: Question, repeat: Repeat, text: str) -> str:
    """The option that an answer chooses; its own text if it chooses none."""
    if query.mode != GENERATION:
        return text
    return option_at(place_in(text), repeat.options, text)


def is_right(query: Question, repeat: Repeat, text: str) -> bool:
    """In generation mode only the mark counts."""
    if query.mode == GENERATION:
        return place_in(text) == repeat.gold
    return text == repeat.options[repeat.gold]


def majority(query: Question, number: int, texts: Sequence[str | None]) -> str:
    """What most repeats of a round choose; the first of several."""
    answers = [
        chosen(query, repeat, text or "") for repeat, text in zip(repeats_of(query, number), texts)
    ]
    return Counter(answers).most_common(1)[0][0]


def exchanged(query: Question, number: int, answer: str) -> tuple[str, str]:
    """A round in the history; options are shown where they are in the question."""
    sample = query.rounds[number]
    question, marks = sample.questions[0], MARKS[0]
    if query.mode != GENERATION:
        return question, answer
    if answer in sample.options:
        answer = marked(sample.options.index(answer), sample.options, marks)
    return with_options(question, sample.options, marks), answer


def case_of(
    query: Question, repeat: Repeat, pictures: Sequence[Media], history: Sequence[str]
) -> Case:
    """The picture comes first, then the instruction and the turns before the question."""
    question, texts, choices = repeat.question, list(history), repeat.options
    if query.mode == GENERATION and choices:
        question = with_options(question, choices, repeat.marks)
        texts, choices = [*shown(query.task.turn), *texts], ()
    texts.append(question)
    if repeat.instruction:
        texts[0] = f"{repeat.instruction}\n{texts[0]}"
    messages = [
        Message("assistant" if number % 2 else "user", (text,)) for number, text in enumerate(texts)
    ]
    messages[0] = Message("user", (*pictures, *messages[0].parts))
    case = conversation(messages, TOKENS, choices)
    return replace(case, per_token=query.mode == PER_TOKEN)


def pictures_of(unit: Unit) -> list[Media]:
    """The pictures with their boxes. Raises ValueError for other data."""
    query: Question = unit.content
    return [picture_of(unit, query, data) for data in query.sample.images]


def picture_of(unit: Unit, query: Question, data: str) -> Media:
    picture = decoded(data, f"the picture of {unit.id}")
    if not isinstance(picture, Image):
        raise ValueError(f"the picture of {unit.id} is a sound or a video")
    boxes = query.sample.boxes if isinstance(query.sample, Sample) else ()
    if not boxes:
        return picture
    return cut(picture, boxes[0]) if query.task.name in CUT else with_boxes(picture, boxes)

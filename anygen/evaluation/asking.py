"""Asks a model the questions of units, all at once, and takes down which could not be answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from anygen.core.media import Message
from anygen.evaluation.suites.base import (
    Answered,
    Answerer,
    Case,
    Likelihoods,
    Line,
    Scorer,
    Suite,
    Unit,
    raw_text,
)
from anygen.generation.answer import Answer
from anygen.generation.request import Request, derive_seed

BESIDE = 8  # units whose questions are asked side by side: a KV cache is kept for so many
NOTHING = Answer(Message("assistant", ()), "cancelled")
Reply = tuple[Answer, Likelihoods]


@dataclass
class Interview:
    """A unit with the questions that were asked so far, and their answers."""

    unit: Unit
    cases: list[Case] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    def add(self, cases: Sequence[Case], seed: int) -> None:
        """More questions. The first one has the seed of `anygen generate` for this id."""
        self.cases += cases
        for number in range(len(self.seeds), len(self.cases)):
            self.seeds.append(derive_seed(seed, self.unit.id, *([number] if number else [])))

    @property
    def texts(self) -> list[str | None]:
        return [None if one.finish == "cancelled" else raw_text(one) for one, _ in self.replies]

    @property
    def answered(self) -> Answered:
        answers = [answer for answer, _ in self.replies]
        likelihoods = [one for _, one in self.replies]
        failed = {
            place: " ".join(answer.failed)
            for place, answer in enumerate(answers)
            if answer.finish == "cancelled"
        }
        return Answered(self.unit, self.cases, self.seeds, answers, failed, likelihoods)


def ask_units(
    model: Answerer | None, suite: Suite, units: Sequence[Unit], seed: int, blind: bool = False
) -> list[Answered]:
    """The answers to all questions of these units; `blind` leaves out the questions' media.

    Without a model they are those that the data hold.
    """
    if model is None:
        return [in_the_data(unit) for unit in units]
    interviews = [Interview(unit) for unit in units]
    rounds = [suite.ask(unit, seed) for unit in units]
    while any(rounds):
        for interview, cases in zip(interviews, rounds):
            interview.add(list(map(without_media, cases)) if blind else cases, seed)
        ask_all(model, interviews)
        rounds = [suite.ask_next(one.unit, seed, one.texts) for one in interviews]
    return [interview.answered for interview in interviews]


def ask_all(model: Answerer, interviews: Sequence[Interview]) -> None:
    """Ask what has no answer yet: of a few units the first questions, then the second ones.

    So a later question of a unit finds what it has in common with the one before, such as a
    picture, in the KV cache.
    """
    waiting = [
        (number // BESIDE, place, one)
        for number, one in enumerate(interviews)
        for place in range(len(one.replies), len(one.cases))
    ]
    questions = [
        (one, one.cases[place], one.seeds[place])
        for _, place, one in sorted(waiting, key=lambda question: question[:2])
    ]
    requests = [
        Request(case.messages, seed, case.options)
        for _, case, seed in questions
        if not case.choices
    ]
    written = iter(reply_all(model, requests))
    scored = iter(score_all(cast(Scorer, model), [c for _, c, _ in questions if c.choices]))
    for one, case, _ in questions:
        one.replies.append(next(scored) if case.choices else (next(written), ()))


def without_media(case: Case) -> Case:
    messages = [
        Message(turn.role, tuple(part for part in turn.parts if isinstance(part, str)))
        for turn in case.messages
    ]
    return replace(case, messages=messages)


def reply_all(model: Answerer, requests: Sequence[Request]) -> list[Answer]:
    """An answer for each request; where there is none, it is empty and cancelled."""
    return all_or_each(model.reply_many, requests, no_answer)


def score_all(model: Scorer, cases: Sequence[Case]) -> list[Reply]:
    """For each case the likeliest of its choices as the answer, and how likely each of them is."""

    def score(cases: Sequence[Case]) -> list[Reply]:
        rows = model.score_many([(case.messages, case.choices) for case in cases])
        return [best_choice(case, row) for case, row in zip(cases, rows)]

    return all_or_each(score, cases, lambda reason: (no_answer(reason), ()))


def best_choice(case: Case, scores: Sequence[Any]) -> Reply:
    best = max(scores, key=lambda one: one.mean if case.per_token else one.log_likelihood)
    likelihoods = tuple((round(one.log_likelihood, 4), one.tokens) for one in scores)
    return text_answer(best.text), likelihoods


def all_or_each(
    ask: Callable[[Any], list[Any]], questions: Sequence[Any], fail: Callable[[str], Any]
) -> list[Any]:
    """The answers to all questions at once, without those that are refused."""
    if not questions:
        return []
    try:
        return ask(questions)
    except ValueError as error:
        if len(questions) == 1:
            return [fail(str(error))]
        middle = len(questions) // 2
        halves = questions[:middle], questions[middle:]
        return [answer for half in halves for answer in all_or_each(ask, half, fail)]


def no_answer(reason: str) -> Answer:
    return Answer(Message("assistant", ()), "cancelled", (reason,))


def in_the_data(unit: Unit) -> Answered:
    assert unit.answers is not None, "a suite without a model has answers"
    return Answered(unit, (), (), [text_answer(text) for text in unit.answers])


def text_answer(text: str) -> Answer:
    return Answer(Message("assistant", (text,)), "stop")


def recorded(unit: Unit, line: Line, key: str) -> Answered:
    """What a line recorded under `key`: the texts of the answers, None for one that failed."""
    texts = line[key]
    answers = [NOTHING if text is None else text_answer(text) for text in texts]
    failures = iter(line["failed"])
    failed = {place: next(failures, "failed") for place, text in enumerate(texts) if text is None}
    return Answered(unit, (), (), answers, failed)

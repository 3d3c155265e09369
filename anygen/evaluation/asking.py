"""Asks a model the questions of units, all at once, and takes down which could not be answered."""

from collections.abc import Sequence
from dataclasses import replace

from anygen.core.media import Message
from anygen.evaluation.suites.base import Answered, Answerer, Case, Line, Suite, Unit
from anygen.generation.answer import Answer
from anygen.generation.request import Request, derive_seed

NOTHING = Answer(Message("assistant", ()), "cancelled")


def ask_units(
    model: Answerer | None, suite: Suite, units: Sequence[Unit], seed: int, blind: bool = False
) -> list[Answered]:
    """The answers to all questions of these units; `blind` leaves out the questions' media.

    Without a model they are those that the data hold.
    """
    if model is None:
        return [in_the_data(unit) for unit in units]
    questions = [(unit, suite.ask(unit, seed), seeds_of(unit, seed)) for unit in units]
    if blind:
        questions = [
            (unit, list(map(without_media, cases)), seeds) for unit, cases, seeds in questions
        ]
    requests = [
        Request(case.messages, key, case.options)
        for _, cases, seeds in questions
        for case, key in zip(cases, seeds)
    ]
    replies = iter(reply_all(model, requests))
    return [
        answered(unit, cases, seeds[: len(cases)], [next(replies) for _ in cases])
        for unit, cases, seeds in questions
    ]


MAX_QUESTIONS = 64  # of a unit


def seeds_of(unit: Unit, seed: int) -> list[int]:
    """The seeds of a unit's requests; the first is that of `anygen generate` for this id."""
    later = (derive_seed(seed, unit.id, number) for number in range(1, MAX_QUESTIONS))
    return [derive_seed(seed, unit.id), *later]


def without_media(case: Case) -> Case:
    messages = [
        Message(turn.role, tuple(part for part in turn.parts if isinstance(part, str)))
        for turn in case.messages
    ]
    return replace(case, messages=messages)


def reply_all(model: Answerer, requests: Sequence[Request]) -> list[Answer]:
    """An answer for each request; where there is none, it is empty and cancelled."""
    try:
        return model.reply_many(requests)
    except ValueError:  # of one of them
        return [reply_one(model, request) for request in requests]


def reply_one(model: Answerer, request: Request) -> Answer:
    try:
        return model.reply_many([request])[0]
    except ValueError as error:
        return Answer(Message("assistant", ()), "cancelled", (str(error),))


def answered(
    unit: Unit, cases: Sequence[Case], seeds: Sequence[int], answers: Sequence[Answer]
) -> Answered:
    failed = {
        place: " ".join(answer.failed)
        for place, answer in enumerate(answers)
        if answer.finish == "cancelled"
    }
    return Answered(unit, cases, seeds, answers, failed)


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

"""Voters: a person who reads two anonymous answers, and a language model that reads both orders.

A person types `1`, `2`, `=` (equally good), `0` (both bad), `s` (skip) or `q` (stop).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.error import HTTPError

from anygen.core.media import Part
from anygen.evaluation.arena.battles import Battle, Vote
from anygen.evaluation.arena.matches import Match, battle_fields
from anygen.evaluation.endpoint import EndpointModel, part_as_sent, read_answer
from anygen.evaluation.suites.base import raw_text

KEYS: dict[str, Vote] = {"1": "first", "2": "second", "=": "tie", "0": "bad"}
SKIP, STOP = "s", "q"
QUESTION = "better? [1] [2] [=] equally good [0] both bad [s]kip [q]uit: "
INSTRUCTION = (
    "You compare two answers to one request. Judge how well each answer does what was asked: "
    "the right media, in the right number and order, showing what they should; correct and fitting "
    "words. Neither the order of the answers nor their length may count. Explain your judgement in "
    "two sentences at most. Then end with one line: VERDICT: 1, VERDICT: 2, VERDICT: TIE, or "
    "VERDICT: BAD if neither answer does what was asked."
)
VERDICT = re.compile(r"VERDICT:\s*(1|2|TIE|BAD)\b", re.IGNORECASE)
VERDICTS: dict[str, Vote] = {"1": "first", "2": "second", "TIE": "tie", "BAD": "bad"}
SWAPPED: dict[Vote, Vote] = {"first": "second", "second": "first", "tie": "tie", "bad": "bad"}
TOKENS = 256

Show = Callable[[str, Sequence[Part]], None]  # a heading, and the parts below it


class StopVotingError(Exception):
    """The voter has had enough."""


def vote_by_hand(match: Match, show: Show, read_line: Callable[[str], str]) -> Battle | None:
    """The battle, or None if it is skipped. Raises StopVotingError at `q` and at the end of input.

    The names of the models are shown once the vote is given.
    """
    for message in match.prompt.messages:
        show("Prompt" if message.role == "user" else message.role, message.parts)
    for number, answer in enumerate(match.answers, start=1):
        show(f"Answer {number}", answer.message.parts)
    while (key := read_key(read_line)) not in (*KEYS, SKIP):
        if key == STOP:
            raise StopVotingError
    if key == SKIP:
        return None
    first, second = match.models
    show(f"1 was {first}, 2 was {second}", ())
    return Battle(**battle_fields(match), vote=KEYS[key], voter="person")


def read_key(read_line: Callable[[str], str]) -> str:
    try:
        return read_line(QUESTION).strip().lower()
    except EOFError:
        return STOP


@dataclass(frozen=True)
class Judgement:
    """What a judge wrote about two answers in one order; the vote is None if it has none."""

    vote: Vote | None
    text: str


def judge_match(judge: EndpointModel, match: Match) -> Battle | None:
    """The battle, or None if the judge gives no verdict in one of the orders.

    Both orders must agree, otherwise it is a tie: judges favour a place (Zheng et al. 2023,
    arXiv:2306.05685).
    """
    first = judge_order(judge, match, swapped=False)
    second = judge_order(judge, match, swapped=True)
    if first.vote is None or second.vote is None:
        return None
    vote = first.vote if first.vote == SWAPPED[second.vote] else "tie"
    reasons = (first.text, second.text)
    return Battle(**battle_fields(match), vote=vote, voter=str(judge), reasons=reasons)


def judge_order(judge: EndpointModel, match: Match, swapped: bool) -> Judgement:
    """The vote is that of the order in which the judge read the answers.

    Raises ValueError if the endpoint refuses, ConnectionError if it does not answer at all.
    """
    answers = match.answers[::-1] if swapped else match.answers
    request = [part for message in match.prompt.messages for part in message.parts]
    parts: list[Part] = ["Request:", *request]
    for number, answer in enumerate(answers, start=1):
        parts += [f"Answer {number}:", *(answer.message.parts or ("(nothing)",))]
    body = {
        "model": judge.name,
        "messages": [
            {"role": "system", "content": INSTRUCTION},
            {"role": "user", "content": list(map(part_as_sent, parts))},
        ],
        "temperature": 0,
        "max_tokens": TOKENS,
    }
    try:
        text = raw_text(read_answer(judge.endpoint.complete(body)))
    except HTTPError as error:
        raise ValueError(f"the judge {judge} refuses: HTTP {error.code} {error.reason}") from None
    found = VERDICT.findall(text)
    return Judgement(VERDICTS[found[-1].upper()] if found else None, text)

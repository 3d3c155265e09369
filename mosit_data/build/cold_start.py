"""Cold start, as Syphus has it: the first dialogues are written without examples, and the best of
them become the examples with which the next round is written, until rounds no longer differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from anygen.core.records import Record
from mosit_data.build.answers import Desk, Examples, Written
from mosit_data.build.checks import text_of
from mosit_data.build.duplicates import words_of
from mosit_data.build.jobs import Job
from mosit_data.build.writers import Example

FIRST = 24  # dialogues of a kind in a round
MAX_ROUNDS = 5
STABLE = 0.02  # difference of the shares that pass, below which the cold start ends
MAX_ALIKE = 0.5  # Jaccard similarity of two examples
GOOD_LENGTH = (10, 150)  # words of all answers together


@dataclass(frozen=True)
class Round:
    kind: str
    passed: int
    written: int
    examples: tuple[str, ...]  # ids of the dialogues that were shown

    @property
    def share(self) -> float:
        return self.passed / self.written


Judge = Callable[[Written], Record | None]  # the record of a dialogue that passes all checks


def find_examples(
    jobs: Sequence[Job], desk: Desk, judge: Judge, count: int
) -> tuple[Examples, list[Round]]:
    """`count` examples of each kind, or fewer if fewer dialogues pass; and what the rounds gave."""
    examples: dict[str, tuple[Example, ...]] = {}
    rounds: list[Round] = []
    for kind in dict.fromkeys(job.kind for job in jobs):
        first = [job for job in jobs if job.kind == kind and job.split == "train"][:FIRST]
        if not first:
            continue
        shown: tuple[str, ...] = ()
        before: float | None = None
        for _ in range(MAX_ROUNDS):
            written = desk.write_all(first, examples)
            passing = [(one, record) for one in written if (record := judge(one))]
            last = Round(kind, len(passing), len(first), shown)
            rounds.append(last)
            if before is not None and abs(last.share - before) < STABLE:
                break
            before = last.share
            best = promoted(passing, count)
            shown = tuple(one.job.id for one in best)
            examples[kind] = tuple(example_of(one, desk) for one in best)
    return examples, rounds


def example_of(written: Written, desk: Desk) -> Example:
    step = desk.kinds[written.job.kind].steps[-1]
    request = step.request(written.job, written.texts[:-1])
    return Example(written.job.id, request, written.texts[-1])


def promoted(passing: Sequence[tuple[Written, Record]], count: int) -> list[Written]:
    """The best by their score, without any that is much like a better one."""
    ranked = sorted(passing, key=lambda pair: (-score(pair[1]), pair[0].job.id))
    chosen: list[tuple[Written, set[str]]] = []
    for written, record in ranked:
        words = set(words_of(record))
        if len(chosen) < count and all(
            len(words & other) <= MAX_ALIKE * len(words | other) for _, other in chosen
        ):
            chosen.append((written, words))
    return [written for written, _ in chosen]


def score(record: Record) -> float:
    """The share of different word pairs in the answers, halved if they are too short or long."""
    answers = " ".join(text_of(m) for m in record.messages if m.role == "assistant")
    words = re.findall(r"\w+", answers.lower())
    pairs = list(pairwise(words))
    variety = len(set(pairs)) / len(pairs) if pairs else 0.0
    return variety if GOOD_LENGTH[0] <= len(words) <= GOOD_LENGTH[1] else variety / 2

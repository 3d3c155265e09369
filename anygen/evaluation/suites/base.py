"""What a suite is: units that are asked and scored as a whole, and the figures they feed.

A suite is a module with these names:

| name | meaning |
|---|---|
| `UNIT` | what a unit is, in one word, such as "image" |
| `read(source)` | the units, always in the same order; raises ValueError for data it cannot read |
| `ask(unit, seed)` | the questions of a unit |
| `judge(bench, answered)` | an outcome for each of these units |
| `figures(lines)` | the rows of the table, from all lines of outcomes.jsonl |

and, where the default does not fit: `MODES`, the first of which is the default; `SPLITS`; `WHOLE`,
the row that says whether a unit is right as a whole, for a table with a line for each task;
`ask_next(unit, seed, texts)`, the questions that depend on the answers so far, empty at the end;
`NEEDS_MODEL`, which says that outcomes cannot be judged from the texts of the answers alone;
`MAKES_MEDIA`, which says that media are requested and written to a folder, from which they are
judged; `EXTRACTORS`, the kinds of networks that it can use; and `READS`, which says that
`bench.reader` reads answers where it is there (--judge). Modes whose names begin with "likelihood"
compare given answers and need the model itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from anygen.anygen import AnyGen
from anygen.core.media import Media, Message
from anygen.core.modality import MediaModality
from anygen.evaluation.features.extractors import Extractor
from anygen.evaluation.judges.judges import Judges, Verdict
from anygen.generation.answer import Answer
from anygen.generation.choices import ChoiceScore
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from mosit_data.world.scene import Scene

Score = tuple[int, int]  # right, judged
Scores = dict[str, dict[str, Score]]  # row -> source -> score
Numbers = Mapping[str, Any]  # of one unit: numbers, texts, and lists of them
Figure = Callable[[Sequence[Any]], float | None]  # of all units
Line = dict[str, Any]  # of outcomes.jsonl
Likelihoods = Sequence[tuple[float, int]]  # of given answers: the sum in nats, and the tokens
LIKELIHOOD = "likelihood"  # the modes of suites that compare given answers begin so
# Options of answers in the LLM's likeliest words, whatever its defaults.
GREEDY: dict[str, Any] = {"temperature": 0, "repetition_penalty": 1}


def unchanged(numbers: Sequence[Numbers]) -> Sequence[Any]:
    return numbers


@dataclass(frozen=True)
class Measure:
    """How a figure is computed that is no share of scores; None if the units do not suffice.

    `value` takes what `prepare` makes of the numbers, one element for each unit: `prepare` runs
    once, `value` for every draw of the bootstrap.
    """

    keys: tuple[str, ...]  # the numbers that a unit must have to count
    value: Figure
    quality: Callable[[Numbers], float]  # of one unit: a page shows the lowest first
    control: Figure | None = None  # the same figure of the plain caption
    prepare: Callable[[Sequence[Numbers]], Sequence[Any]] = unchanged
    digits: int = 2  # of the rounded figure
    has_interval: bool = True  # False where draws with replacement would distort the figure


@dataclass(frozen=True)
class Metric:
    """A row of the results: a figure and its target."""

    figure: str  # its description
    target: float | None = None  # the least that it should be or, if `at_most`, the most
    at_most: bool = False
    measure: Measure | None = None  # None for a share of scores
    scale: str = "%"  # the unit of the figure
    chance: float | None = None  # the figure of random guesses
    note: str = ""  # a reservation about this figure


@dataclass(frozen=True)
class Source:
    """Where a suite reads its units from. An empty `split` means all."""

    data: Path | None = None
    mode: str = ""
    split: str = ""

    def folder(self, suite: str, needed: str) -> Path:
        """The folder of the data. Raises ValueError, with what it should hold, without one."""
        if self.data is None:
            raise ValueError(f"the suite {suite} needs --data, a folder with {needed}")
        if not self.data.is_dir():
            raise ValueError(f"there is no folder {self.data}; --data takes a folder with {needed}")
        return self.data


@dataclass(frozen=True, eq=False)
class Unit:
    """What is scored as a whole: an image with its questions, a question in all its orders."""

    id: str  # unique in the suite; seeds derive from it
    task: str  # its group, of which --limit takes so many units
    rows: tuple[str, ...]  # of the table, which it feeds
    content: Any = None  # what the suite needs to ask and judge it
    answers: tuple[str, ...] | None = None  # of another system, in the data; nothing is asked


@dataclass(frozen=True, eq=False)
class Case:
    """A conversation to answer; the other fields are those that its task needs."""

    messages: Sequence[Message]
    scene: Scene | None = None  # that the answer should show, or that the question shows
    expected: tuple[MediaModality, ...] = ()  # the media that the answer should contain
    options: AnswerOptions = AnswerOptions(max_new_tokens=96)
    # Given answers, of which the likeliest is the answer instead of one that is written.
    choices: tuple[str, ...] = field(default=(), kw_only=True)
    per_token: bool = field(default=False, kw_only=True)  # whether they compare by their mean


@dataclass(frozen=True, eq=False)
class Answered:
    """A unit with its questions, the seeds of their requests, and the answers.

    `failed` has a sentence for each question that could not be answered, by its place; its answer
    is empty. `cases` is empty if the answers are scored again from their texts.
    """

    unit: Unit
    cases: Sequence[Case]
    seeds: Sequence[int]
    answers: Sequence[Answer]
    failed: Mapping[int, str] = field(default_factory=dict)
    likelihoods: Sequence[Likelihoods] = ()  # of the choices of each question

    @property
    def texts(self) -> list[str | None]:
        """The answers' texts as they are; None where there was no answer."""
        return [
            None if place in self.failed else raw_text(answer)
            for place, answer in enumerate(self.answers)
        ]


@dataclass(frozen=True, eq=False)
class Outcome:
    """The scores of one unit and what they rest on."""

    scores: Scores
    text: str = ""  # of the answer
    truth: Verdict = field(default_factory=dict)
    verdict: Verdict = field(default_factory=dict)  # what the answer shows
    media: Mapping[str, Media] = field(default_factory=dict)  # samples by source, see scoring.py
    numbers: Numbers = field(default_factory=dict)  # for metrics that are not shares
    unparsed: int = 0  # answers in which the suite found nothing that it could judge


class Answerer(Protocol):
    """What is asked: `AnyGen`, or an endpoint."""

    def reply_many(self, requests: Sequence[Request]) -> list[Answer]: ...


class Reader(Protocol):
    """A language model that reads answers which no rule can."""

    def read(
        self,
        prompts: Sequence[str],
        accepts: Sequence[Callable[[str], str]],
        max_new_tokens: int = 16,
    ) -> list[str]: ...


class Scorer(Answerer, Protocol):
    """What can also say how likely given answers are."""

    def score_many(
        self, rows: Sequence[tuple[Sequence[Message], Sequence[str]]]
    ) -> list[list[ChoiceScore]]: ...


@dataclass(frozen=True, eq=False)
class Bench:
    """What asking and scoring need: the model under test, judges, and the folder of results."""

    model: Answerer | None
    judges: Judges
    out: Path = Path()
    extractors: Mapping[str, Extractor] = field(default_factory=dict)  # by kind
    reader: Reader | None = None  # of answers that the rules of a suite cannot read

    @property
    def anygen(self) -> AnyGen:
        """The model with its parts, which some suites look into."""
        assert self.model is not None, "suites that look into the model always have one"
        model: Any = self.model  # a test may have other parts
        return model


AnsweredCase = tuple[Case, int, Answer]  # with the seed of the request
MakeCase = Callable[[random.Random, int], Case]
ScoreAnswers = Callable[[Bench, Sequence[AnsweredCase]], list[Outcome]]


def nothing_more(unit: Unit, seed: int, texts: Sequence[str | None]) -> Sequence[Case]:
    return ()


@dataclass(frozen=True)
class Suite:
    """The names of a suite's module; see the head of this file."""

    name: str
    about: str  # the first line of its docstring
    unit: str
    read: Callable[[Source], Sequence[Unit]]
    ask: Callable[[Unit, int], Sequence[Case]]
    judge: Callable[[Bench, Sequence[Answered]], Sequence[Outcome]]
    figures: Callable[[Sequence[Line]], Mapping[str, Metric]]
    ask_next: Callable[[Unit, int, Sequence[str | None]], Sequence[Case]] = nothing_more
    modes: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    whole: str = ""
    needs_model: bool = False
    makes_media: bool = False
    extractors: tuple[str, ...] = ()
    reads: bool = False


def raw_text(answer: Answer) -> str:
    return "".join(part for part in answer.message.parts if isinstance(part, str))


def text_of(answer: Answer) -> str:
    return raw_text(answer).strip()


def media_in(answer: Answer) -> list[Media]:
    return [part for part in answer.message.parts if not isinstance(part, str)]

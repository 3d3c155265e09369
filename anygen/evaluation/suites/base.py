"""What a suite consists of: tasks, whose cases are asked and scored, and the metrics they feed."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anygen.anygen import AnyGen
from anygen.core.media import Media, Message
from anygen.core.modality import MediaModality
from anygen.evaluation.judges.judges import Judges, Verdict
from anygen.generation.answer import Answer
from anygen.generation.options import AnswerOptions
from mosit_data.world.scene import Scene

Score = tuple[int, int]  # right, judged
Scores = dict[str, dict[str, Score]]  # row -> source -> score
Numbers = Mapping[str, Any]  # of one case: numbers, and lists of them
Figure = Callable[[Sequence[Numbers]], float | None]  # of all cases, in percent


@dataclass(frozen=True)
class Measure:
    """How a figure is computed that is no share of scores; None if the cases do not suffice."""

    keys: tuple[str, ...]  # the numbers that a case must have to count
    value: Figure
    quality: Callable[[Numbers], float]  # of one case: a page shows the lowest first
    control: Figure | None = None  # the same figure of the plain caption


@dataclass(frozen=True)
class Metric:
    """A row of the results: a figure in percent, and its target."""

    figure: str  # its description
    target: float | None = None  # the least that it should be or, if `at_most`, the most
    at_most: bool = False
    measure: Measure | None = None  # None for a share of scores


@dataclass(frozen=True, eq=False)
class Case:
    """A conversation to answer; the other fields are those that its task needs."""

    messages: Sequence[Message]
    scene: Scene | None = None  # that the answer should show, or that the question shows
    expected: tuple[MediaModality, ...] = ()  # the media that the answer should contain
    options: AnswerOptions = AnswerOptions(max_new_tokens=96)
    id: str = ""  # in the data; it replaces task and index in what the seed derives from


@dataclass(frozen=True, eq=False)
class Outcome:
    """The scores of one case and what they rest on."""

    scores: Scores
    text: str = ""  # of the answer
    truth: Verdict = field(default_factory=dict)
    verdict: Verdict = field(default_factory=dict)  # what the answer shows
    media: Mapping[str, Media] = field(default_factory=dict)  # samples by source, see scoring.py
    numbers: Numbers = field(default_factory=dict)  # for metrics that are not shares


@dataclass(frozen=True, eq=False)
class Bench:
    """What asking and scoring need: the model, and judges."""

    anygen: AnyGen
    judges: Judges


AnsweredCase = tuple[Case, int, Answer]  # with the seed of the request
MakeCase = Callable[[random.Random, int], Case]
ScoreAnswers = Callable[[Bench, Sequence[AnsweredCase]], list[Outcome]]


@dataclass(frozen=True)
class Task:
    """Cases of one kind and how their answers are scored, in one or several rows."""

    rows: tuple[str, ...]
    count: int  # cases of a full run
    make_case: MakeCase
    score: ScoreAnswers


@dataclass(frozen=True)
class Suite:
    """Metrics by the name of their row, and the tasks that measure them.

    `read` returns the tasks, from the folder of `--data` if the suite needs one. It raises
    ValueError. Where all tasks measure the same rows, `whole` names the row that says whether a
    case is right as a whole, and the results have a line for each task.
    """

    metrics: Mapping[str, Metric]
    read: Callable[[Path | None], Mapping[str, Task]]
    whole: str = ""


def text_of(answer: Answer) -> str:
    return "".join(part for part in answer.message.parts if isinstance(part, str)).strip()


def media_in(answer: Answer) -> list[Media]:
    return [part for part in answer.message.parts if not isinstance(part, str)]

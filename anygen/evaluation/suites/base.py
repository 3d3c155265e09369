"""What a suite consists of: tasks, whose cases are asked and scored, and the metrics they feed."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from anygen.anygen import AnyGen
from anygen.core.media import Media, Message
from anygen.core.modality import MediaModality
from anygen.evaluation.judges.judges import Judges, Verdict
from mosit_data.world.scene import Scene

Score = tuple[int, int]  # right, judged
Scores = dict[str, dict[str, Score]]  # row -> source -> score


@dataclass(frozen=True)
class Metric:
    """A row of the results: a figure in percent, and its target."""

    figure: str  # its description
    target: float  # the least that it should be or, if `at_most`, the most
    at_most: bool = False


@dataclass(frozen=True, eq=False)
class Case:
    """A conversation to answer; the other fields are those that its task needs."""

    messages: Sequence[Message]
    scene: Scene | None = None  # that the answer should show, or that the question shows
    expected: tuple[MediaModality, ...] = ()  # the media that the answer should contain


@dataclass(frozen=True, eq=False)
class Outcome:
    """The scores of one case and what they rest on."""

    scores: Scores
    text: str = ""  # of the answer
    truth: Verdict = field(default_factory=dict)
    verdict: Verdict = field(default_factory=dict)  # what the answer shows
    media: Mapping[str, Media] = field(default_factory=dict)  # samples by source, see scoring.py
    numbers: Mapping[str, float] = field(default_factory=dict)  # for metrics that are not shares


@dataclass(frozen=True, eq=False)
class Bench:
    """What asking and scoring need: the model, and judges."""

    anygen: AnyGen
    judges: Judges


AnsweredCase = tuple[Case, int, Message]  # with the seed of the request
MakeCase = Callable[[random.Random, int], Case]
ScoreAnswers = Callable[[Bench, Sequence[AnsweredCase]], list[Outcome]]


@dataclass(frozen=True)
class Task:
    """Cases of one kind and how their answers are scored, in one or several rows."""

    rows: tuple[str, ...]
    count: int  # cases of a full run
    make_case: MakeCase
    score: ScoreAnswers
    max_new_tokens: int = 96


@dataclass(frozen=True)
class Suite:
    """Metrics by the name of their row, and the tasks that measure them."""

    metrics: Mapping[str, Metric]
    tasks: Mapping[str, Task]


def text_of(answer: Message) -> str:
    return "".join(part for part in answer.parts if isinstance(part, str)).strip()

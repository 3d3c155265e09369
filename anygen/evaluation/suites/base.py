"""What a suite consists of: cases to ask, and how their answers are scored, row by row."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from anygen.anygen import AnyGen
from anygen.core.media import Media, Message
from anygen.core.modality import MediaModality
from anygen.evaluation.judges.judges import Judges, Verdict
from mosit_data.world.scene import (
    Scene,
)


@dataclass(frozen=True, eq=False)
class Case:
    """A conversation that wants an answer; the fields below it are what its task needs."""

    messages: Sequence[Message]
    scene: Scene | None = None  # what is to be made, or what is shown
    wanted: tuple[MediaModality, ...] = ()  # the media that the answer should hold


MakeCase = Callable[[random.Random, int], Case]


Score = tuple[int, int]  # right, judged


Scores = dict[str, dict[str, Score]]  # row -> source -> score


@dataclass(frozen=True, eq=False)
class Outcome:
    """What is kept of one case; `media` by source, as samples, `true` what was wanted."""

    scores: Scores
    text: str = ""  # what the model said
    truth: Verdict = field(default_factory=dict)
    verdict: Verdict = field(default_factory=dict)  # on the answer; without what it does not show
    media: Mapping[str, Media] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)  # for rows that are no shares


@dataclass(frozen=True, eq=False)
class Bench:
    """What asking and scoring need: the model, and judges."""

    anygen: AnyGen
    judges: Judges


Answered = tuple[Case, int, Message]  # with the seed of the request


ScoreAnswers = Callable[[Bench, Sequence[Answered]], list[Outcome]]


def words_of(answer: Message) -> str:
    return "".join(part for part in answer.parts if isinstance(part, str)).strip()


@dataclass(frozen=True)
class Row:
    """A figure in percent, and what it should be at least (or, `at_most`, at most)."""

    figure: str
    target: float
    at_most: bool = False


@dataclass(frozen=True)
class Task:
    """Questions of one kind and how their answers are scored, in one or several rows."""

    rows: tuple[str, ...]
    count: int  # cases of a full run
    make_case: MakeCase
    score: ScoreAnswers
    max_new_tokens: int = 96

"""What mini was made for, asked with held-out combinations of the small world.

METRICS are the rows of its table of results; TASKS measure them, several rows at a time. The seed
and its number determine a case, so a run with a limit is the beginning of the full one.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anygen.evaluation.suites.base import (
    Answered,
    Bench,
    Case,
    Line,
    MakeCase,
    Metric,
    Outcome,
    ScoreAnswers,
    Source,
    Unit,
)
from anygen.evaluation.suites.world import cases, scoring
from anygen.evaluation.suites.world.fidelity import FRECHET, NEAREST, SHARPNESS, score_looks
from anygen.evaluation.suites.world.photographs import (
    photograph_case,
    photographs,
    score_photographs,
)
from anygen.evaluation.suites.world.plain_answers import RETENTION, score_plain
from anygen.evaluation.suites.world.unfamiliar import score_doubt, unfamiliar_case

UNIT = "case"
NEEDS_MODEL = True
LOOKS = ("picture_object", "picture_style", "picture_background")
METRICS: dict[str, Metric] = {
    "picture_object": Metric("pictures that show the object asked for", 90),
    "picture_style": Metric("pictures in the style asked for", 90),
    "picture_background": Metric("pictures on the background asked for", 97),
    "picture_sharpness": Metric(
        "fine detail of pictures, of true renders' own", 70, False, SHARPNESS
    ),
    "picture_nearest": Metric(
        "distance to the nearest true render, of the plain caption's", 110, True, NEAREST
    ),
    "picture_frechet": Metric(
        "Frechet distance to true renders on the vision trunk, of the plain caption's",
        *(110, True, FRECHET),
    ),
    "picture_count": Metric("pictures of one to four things that show as many", 75),
    "picture_colour": Metric("pictures of a thing in the colour asked for", 85),
    "pair_relation": Metric("pictures of two objects: both, and where they should be", 85),
    "sound_name": Metric("sounds of the instrument or thing asked for", 90),
    "sound_pattern": Metric("sounds with the pattern asked for", 85),
    "video_object": Metric("videos that show the object asked for", 85),
    "video_motion": Metric("videos with the motion asked for", 90),
    "video_background": Metric("videos whose background stays as it is", 97),
    "video_identity": Metric("frames of a video that show the same thing", 85),
    "trigger_precision": Metric("media made that were asked for", 97),
    "trigger_recall": Metric("media asked for that were made", 97),
    "understand_object": Metric("pictures whose object the answer names", 90),
    "understand_instrument": Metric("sounds whose instrument the answer names", 85),
    "understand_motion": Metric("videos whose motion the answer names", 85),
    "photographs": Metric("photographs called what the vision trunk sees in them", 80),
    "unfamiliar_unsure": Metric("answers about media of no known kind that are unsure", 90),
    "crossmodal": Metric("a picture answered by its sound, or a sound by its picture", 85),
    "plain_routed": Metric("plain prompts that the router leaves to the base model", 98),
    "plain_equal": Metric("of these, answers that are the base model's, word for word", 100),
    "text_clean": Metric("plain answers that do not loop", 99),
    "general": Metric(
        "loss of log-likelihood of plain answers, against the base model's", 5, True, RETENTION
    ),
}


@dataclass(frozen=True)
class Task:
    """Cases of one kind and how their answers are scored, in one or several rows."""

    rows: tuple[str, ...]
    count: int  # cases of a full run
    make_case: MakeCase
    score: ScoreAnswers


TASKS: dict[str, Task] = {
    "pictures": Task(
        (*LOOKS, "picture_sharpness", "picture_nearest", "picture_frechet"),
        200,
        cases.picture,
        score_looks(*LOOKS),
    ),
    "counts": Task(
        ("picture_count",), 100, cases.counted_picture, scoring.score_media("picture_count")
    ),
    "colours": Task(
        ("picture_colour",), 100, cases.coloured_picture, scoring.score_media("picture_colour")
    ),
    "pairs": Task(("pair_relation",), 200, cases.pair, scoring.score_media("pair_relation")),
    "sounds": Task(
        ("sound_name", "sound_pattern"),
        200,
        cases.sound,
        scoring.score_media("sound_name", "sound_pattern"),
    ),
    "videos": Task(
        ("video_object", "video_motion"),
        100,
        cases.video,
        scoring.score_media("video_object", "video_motion"),
    ),
    "open_videos": Task(
        ("video_background", "video_identity"),
        100,
        cases.open_video,
        scoring.score_media("video_background", "video_identity"),
    ),
    "triggers": Task(
        ("trigger_precision", "trigger_recall"), 250, cases.trigger, scoring.score_triggers
    ),
    "objects": Task(
        ("understand_object",),
        200,
        cases.object_question,
        scoring.score_words("understand_object", scoring.OBJECT_WORDS),
    ),
    "instruments": Task(
        ("understand_instrument",),
        200,
        cases.instrument_question,
        scoring.score_words("understand_instrument", scoring.SOUND_WORDS),
    ),
    "motions": Task(
        ("understand_motion",),
        200,
        cases.motion_question,
        scoring.score_words("understand_motion", scoring.MOTION_WORDS),
    ),
    "photographs": Task(("photographs",), len(photographs()), photograph_case, score_photographs),
    "unfamiliar": Task(("unfamiliar_unsure",), 150, unfamiliar_case, score_doubt),
    "crossmodal": Task(("crossmodal",), 100, cases.crossmodal, scoring.score_media("crossmodal")),
    "general": Task(
        ("plain_routed", "plain_equal", "text_clean", "general"),
        200,
        cases.evaluation_prompt,
        score_plain,
    ),
}


def read(source: Source) -> list[Unit]:
    """The cases of all tasks by number. Raises ValueError if there is a folder of data."""
    if source.data is not None:
        raise ValueError("the suite world makes its own cases; leave --data out")
    return [
        Unit(f"{name}/{index}", name, task.rows, index)
        for name, task in TASKS.items()
        for index in range(task.count)
    ]


def ask(unit: Unit, seed: int) -> list[Case]:
    return [make_case(unit.task, unit.content, seed)]


def make_case(name: str, index: int, seed: int) -> Case:
    return TASKS[name].make_case(random.Random(f"{seed}/{name}/{index}"), index)


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    """Of cases of one task, whose controls are rendered together."""
    rows = [(one.cases[0], one.seeds[0], one.answers[0]) for one in answered]
    return TASKS[answered[0].unit.task].score(bench, rows)


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    return METRICS

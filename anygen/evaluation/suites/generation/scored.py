"""What suites share whose samples another program scores: its figures, read from its files.

A suite writes the folder that this program reads. Once the program has run, its file lies in that
folder, and `--score-only` reads it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from anygen.core.media import Image
from anygen.evaluation.features.detector import Detect
from anygen.evaluation.suites.base import Bench, Line, Measure, Metric, Numbers, Outcome, Unit
from anygen.evaluation.suites.generation.output import Layout, Rendered, folders
from anygen.evaluation.suites.generation.rows import (
    MADE,
    has_control,
    mean_of,
    measure_media,
    media_rows,
    shown_prompt,
)

DETECTED = "_owlv2_"
Scores = Mapping[str, float]  # of samples, by their path in the folder


def sample_scores(layout: Layout, unit: Unit, scores: Scores) -> list[float]:
    """In percent; 0 for a sample that was not made, and so not scored."""
    paths = [layout.path(unit, number) for number in range(unit.content.samples)]
    return [100 * scores.get(path, 0.0) for path in paths]


def score_files(
    bench: Bench,
    rendered: Sequence[Rendered],
    layout: Layout,
    row: str,
    read_scores: Callable[[Path], Scores],
) -> list[Outcome]:
    """The outcomes of units; `read_scores` returns nothing for a folder that was not scored."""
    scores = {source: read_scores(folder) for source, folder in folders(bench, layout)}
    scores = {source: found for source, found in scores.items() if found}
    outcomes = []
    for one in rendered:
        numbers: dict[str, Any] = dict(measure_media(bench, one, layout.modality))
        if "model" in scores:
            unit = one.unit
            values = {name: sample_scores(layout, unit, found) for name, found in scores.items()}
            numbers |= {row: {**values, "task": unit.task}, unit.task: values}
        outcomes.append(Outcome({}, one.text, shown_prompt(one), media=one.shown, numbers=numbers))
    return outcomes


def task_rows(
    row: str, lines: Sequence[Line], about: str, scorer: str, tasks: Iterable[str]
) -> dict[str, Metric]:
    """The mean of the tasks, each task, and what is known without the scorer.

    Without its file, a note says what is missing.
    """
    rest = media_rows(lines)
    scored = [line for line in lines if row in line["numbers"]]
    if not scored:
        return noted(rest, scorer)
    controlled = has_control(row, [line["numbers"] for line in scored])
    measured = {line["task"] for line in scored}
    rows = {row: task_metric(row, f"{about}, mean of the tasks", mean_of_tasks, controlled)}
    for task in (task for task in tasks if task in measured):
        rows[task] = task_metric(task, f"{about}, {task}", mean_of, controlled)
    return rows | rest


def noted(rows: Mapping[str, Metric], scorer: str) -> dict[str, Metric]:
    """The rows that need no scorer, one of which says how the others are computed."""
    note = f"not scored yet: {scorer}; then use --score-only"
    return {
        name: replace(metric, note=note) if name == MADE else metric
        for name, metric in rows.items()
    }


def task_metric(key: str, about: str, figure: Callable[..., float], controlled: bool) -> Metric:
    measure = Measure(
        (key,),
        partial(figure, key, "model"),
        lambda numbers: figure(key, "model", [numbers]),
        partial(figure, key, "control") if controlled else None,
    )
    return Metric(about, measure=measure)


def mean_of_tasks(row: str, source: str, numbers: Sequence[Numbers]) -> float:
    """The mean over tasks of the mean over their samples."""
    tasks: dict[str, list[Numbers]] = {}
    for one in numbers:
        tasks.setdefault(one[row]["task"], []).append(one)
    means = [mean_of(row, source, own) for own in tasks.values()]
    return sum(means) / len(means)


# --- judged by a detector of the user, under names of their own

JudgeSample = Callable[[Detect, Image], float]  # of one picture, 0 to 1


def with_detections(
    bench: Bench, rendered: Rendered, outcome: Outcome, row: str, judge: JudgeSample
) -> Outcome:
    """The outcome with what a detector makes of each sample, in percent; without one, as it is."""
    extractor = bench.extractors.get("owlv2")
    if extractor is None or extractor.detect is None:
        return outcome
    detect, task = extractor.detect, rendered.unit.task
    values = {
        source: [100.0 * judge(detect, one) if isinstance(one, Image) else 0.0 for one in media]
        for source, media in rendered.media.items()
    }
    name = f"{row}{DETECTED}{extractor.name}"
    numbers = {**outcome.numbers, name: {**values, "task": task}, f"{name}_{task}": values}
    return replace(outcome, numbers=numbers)


def detected_rows(row: str, lines: Sequence[Line], about: str) -> dict[str, Metric]:
    """The mean of the tasks, and each task."""
    prefix = f"{row}{DETECTED}"
    names = {key for line in lines for key in line["numbers"] if key.startswith(prefix)}
    rows = {}
    for name in sorted(names):
        own = [line["numbers"] for line in lines if name in line["numbers"]]
        figure = mean_of_tasks if "task" in own[0][name] else mean_of
        controlled = has_control(name, own)
        rows[name] = task_metric(name, f"{about}, by a detector of ours", figure, controlled)
    return rows

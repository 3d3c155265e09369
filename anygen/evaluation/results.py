"""The results of an evaluation: the lines of its folder, and their summary row by row."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anygen.evaluation.metrics import bootstrap_interval, wilson
from anygen.evaluation.suites.base import Figure, Measure, Metric, Numbers, Suite
from anygen.evaluation.suites.people.suite import SUITE as PEOPLE
from anygen.evaluation.suites.world.suite import SUITE as WORLD

OUTCOMES, RESULTS, IDENTITY = "outcomes.jsonl", "results.json", "identity.json"
SAMPLES = "samples"  # the folder of media
SOURCES = ("control", "judge", "nearest")  # see anygen/evaluation/suites/world/scoring.py
SUITES = {"world": WORLD, "people": PEOPLE}
TOTAL = "total"

Line = dict[str, Any]  # of outcomes.jsonl
UNKNOWN: Line = {"prompt": "", "truth": {}, "verdict": {}}  # missing in lines of version 0.1.0


def find_suite(name: str) -> Suite:
    """Raises ValueError for an unknown name."""
    if name not in SUITES:
        raise ValueError(f"no suite named {name!r}; there are {', '.join(SUITES)}")
    return SUITES[name]


def read_lines(out: Path) -> list[Line]:
    """The lines of the cases that are done; removes a last line that a kill left incomplete."""
    path = out / OUTCOMES
    if not path.is_file():
        return []
    whole, _, cut = path.read_text(encoding="utf-8").rpartition("\n")
    if cut:
        path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    return [UNKNOWN | json.loads(line) for line in whole.splitlines()]


def summarize(lines: Sequence[Line], suite: str) -> Line:
    """The part of results.json about the rows that were measured.

    `tasks` has the rows of each task, if the suite's results have a line for each.
    """
    tasks = by_task(lines) if find_suite(suite).whole else {}
    return {
        "suite": suite,
        "rows": row_results(lines, suite),
        "tasks": {name: row_results(own, suite) for name, own in tasks.items()},
    }


def row_results(lines: Sequence[Line], suite: str) -> dict[str, Line]:
    metrics = find_suite(suite).metrics
    rows = by_row(lines, suite)
    return {name: row_result(name, metrics[name], own) for name, own in rows.items()}


def by_task(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """The lines of each task, in the order of their cases."""
    tasks: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda line: line["case"]):
        tasks.setdefault(line["task"], []).append(line)
    return tasks


def by_row(lines: Sequence[Line], suite: str) -> dict[str, list[Line]]:
    """The lines of each row that was measured: those of the cases that it scores."""
    metrics = find_suite(suite).metrics
    rows = {
        name: [line for line in lines if counts(name, metric, line)]
        for name, metric in metrics.items()
    }
    return {name: own for name, own in rows.items() if own}


def counts(name: str, metric: Metric, line: Line) -> bool:
    """Whether a row scores a case, or computes its figure from the case's numbers."""
    if metric.measure is None:
        return name in line["scores"]
    return line["numbers"].keys() >= set(metric.measure.keys)


def row_result(name: str, metric: Metric, lines: Sequence[Line]) -> Line:
    """A row of results.json: its figure in percent, the interval, the other sources."""
    result: Line = {"figure": metric.figure, "target": metric.target, "at_most": metric.at_most}
    if metric.measure is None:
        result |= shares([line["scores"][name] for line in lines])
    else:
        result |= measured(metric.measure, [line["numbers"] for line in lines])
    result["seconds"] = round(sum(line["seconds"] for line in lines), 1)
    return result


def shares(scores: Sequence[Mapping[str, Sequence[int]]]) -> Line:
    """The proportions of all sources with their 95 % intervals; the model's at the top level."""
    result: Line = {}
    sources = list(dict.fromkeys(source for score in scores for source in score))
    for source in sources:
        pairs = [score[source] for score in scores if source in score]
        right, judged = (sum(values) for values in zip(*pairs))
        share = round(100 * right / judged, 1) if judged else None
        interval = [round(100 * bound, 1) for bound in wilson(right, judged)]
        figures = {"value": share, "n": judged, "right": right, "interval": interval}
        result |= figures if source == "model" else {source: figures}
    return result


def measured(measure: Measure, numbers: Sequence[Numbers]) -> Line:
    """A figure that is computed from numbers, and the plain caption's if it has one."""
    result = estimate(measure.value, numbers)
    return result | ({"control": estimate(measure.control, numbers)} if measure.control else {})


def estimate(figure: Figure, numbers: Sequence[Numbers]) -> Line:
    """The figure with a 95 % interval of the bootstrap; no interval without a figure."""

    def of_cases(indices: Sequence[int]) -> float | None:
        return figure([numbers[index] for index in indices])

    value = figure(numbers)
    if value is None:
        return {"value": None, "n": len(numbers)}
    interval = [round(bound, 2) for bound in bootstrap_interval(of_cases, len(numbers))]
    return {"value": round(value, 2), "n": len(numbers), "interval": interval}


def table(results: Line, suite: str) -> Iterator[str]:
    """The results as text: a line for each row, or a line for each task and a column for each row.

    In the latter a cell says how many of how many are right.
    """
    if not results["tasks"]:
        yield from rows_table(results["rows"])
        return
    names = list(find_suite(suite).metrics)
    yield f"{'task':11}" + "".join(f"{name:>10}" for name in names)
    for task, rows in [*results["tasks"].items(), (TOTAL, results["rows"])]:
        cells = [
            f"{rows[name]['right']}/{rows[name]['n']}" if name in rows else "-" for name in names
        ]
        yield f"{task:11}" + "".join(f"{cell:>10}" for cell in cells)


def rows_table(rows: Mapping[str, Line]) -> Iterator[str]:
    yield columns("row", ["value", "target", "95 %", "n", *SOURCES])
    for name, row in rows.items():
        target = f"{'<=' if row['at_most'] else '>='}{row['target']:g}"
        interval = "-".join(map(str, row.get("interval", ())))
        others = [row.get(source, {}).get("value", "") for source in SOURCES]
        yield columns(name, [row["value"], target, interval, row["n"], *others])


def columns(name: str, values: Sequence[Any]) -> str:
    return f"{name:22}" + "".join(f"{value!s:>11}" for value in values)

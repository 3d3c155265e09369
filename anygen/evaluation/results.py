"""The results of an evaluation: the lines of its folder, and their summary row by row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anygen.evaluation.metrics import bootstrap_interval, mcnemar, paired_interval, wilson
from anygen.evaluation.suites.base import Figure, Line, Measure, Metric, Numbers
from anygen.evaluation.suites.registry import find_suite
from anygen.io.json_lines import read_json_lines

OUTCOMES, RESULTS, IDENTITY = "outcomes.jsonl", "results.json", "identity.json"
SAMPLES = "samples"  # the folder of media
SOURCES = ("control", "judge", "nearest")  # see anygen/evaluation/suites/world/scoring.py
TOTAL = "total"
OVER_CONTROL = "over_control"  # in a row: the figure minus its control's
# What results share that may stand beside each other: the same cases, asked and judged alike.
COMPARABLE = ("suite", "data", "mode", "split", "seed", "extractors", "judge")
BLIND = "blind"  # among the numbers of a unit: those of its questions without their media

UNKNOWN: Line = {"prompt": "", "truth": {}, "verdict": {}}  # missing in lines of version 0.1.0


@dataclass(frozen=True)
class Points:
    """A row as one point for each of its units, and the figure that any choice of them has."""

    points: Sequence[Any]
    figure: Figure
    digits: int  # of the rounded figure

    def value(self, indices: Sequence[int] | None = None) -> float | None:
        """The figure of the units at these indices, or of all."""
        chosen = self.points if indices is None else [self.points[index] for index in indices]
        value = self.figure(chosen)
        return None if value is None else round(value, self.digits)

    @property
    def are_decided(self) -> bool:
        """Whether each unit is right or wrong as a whole instead of counted piece by piece."""
        return self.figure is share and all(judged == 1 for _, judged in self.points)


@dataclass(frozen=True)
class PairedDifference:
    """A figure minus another one of the same units.

    If every unit is right or wrong as a whole, `p` is that of McNemar's test. Otherwise it is None
    and the interval a bootstrap's over units, or None if all its draws are equal.
    """

    value: float | None
    interval: tuple[float, float] | None = None
    p: float | None = None


def paired_difference(before: Points, after: Points, has_interval: bool = True) -> PairedDifference:
    """The second figure minus the first; both have a point for each of the same units."""

    def change(indices: Sequence[int] | None = None) -> float | None:
        old, new = before.value(indices), after.value(indices)
        return None if old is None or new is None else round(new - old, after.digits)

    value, n = change(), len(after.points)
    if value is None or not has_interval:
        return PairedDifference(value)
    if not (before.are_decided and after.are_decided):
        low, high = bootstrap_interval(change, n)
        return PairedDifference(value, (low, high) if low < high else None)
    pairs = list(zip([right for right, _ in before.points], [right for right, _ in after.points]))
    lost, gained = pairs.count((1, 0)), pairs.count((0, 1))
    low, high = paired_interval(lost, gained, n)
    return PairedDifference(
        value, (round(100 * low, 1), round(100 * high, 1)), mcnemar(lost, gained)
    )


def read_lines(out: Path) -> list[Line]:
    """The lines of the units that are done; one that a kill left incomplete is left out."""
    return [with_id(UNKNOWN | line) for line in read_json_lines(out / OUTCOMES)]


def with_id(line: Line) -> Line:
    return {"id": f"{line['task']}/{line['case']}", **line}


def summarize(lines: Sequence[Line], suite: str) -> Line:
    """The part of results.json about the rows that were measured.

    `tasks` has the rows of each task, if the suite's results have a line for each.
    """
    found = find_suite(suite)
    metrics = found.figures(lines)
    tasks, columns = by_task(lines) if found.whole else {}, found.figures(())
    return {
        "suite": suite,
        "unit": found.unit,
        "rows": row_results(lines, metrics),
        "tasks": {name: row_results(own, columns) for name, own in tasks.items()},
    }


def row_results(lines: Sequence[Line], metrics: Mapping[str, Metric]) -> dict[str, Line]:
    rows = by_row(lines, metrics)
    return {name: row_result(name, metrics[name], own) for name, own in rows.items()}


def by_task(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """The lines of each task, in the order of their cases."""
    tasks: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda line: line["case"]):
        tasks.setdefault(line["task"], []).append(line)
    return tasks


def by_row(lines: Sequence[Line], metrics: Mapping[str, Metric]) -> dict[str, list[Line]]:
    """The lines of each row that was measured: those of the units that it scores."""
    rows = {
        name: [line for line in lines if counts(name, metric, line)]
        for name, metric in metrics.items()
    }
    return {name: own for name, own in rows.items() if own}


def counts(name: str, metric: Metric, line: Line) -> bool:
    """Whether a row scores a unit, or computes its figure from the unit's numbers."""
    if metric.measure is None:
        return name in line["scores"]
    return line["numbers"].keys() >= set(metric.measure.keys)


def row_result(name: str, metric: Metric, lines: Sequence[Line]) -> Line:
    """A row of results.json: its figure, the interval, what it rests on, the other sources."""
    result: Line = {"figure": metric.figure, "target": metric.target, "at_most": metric.at_most}
    result |= {"scale": metric.scale, "chance": metric.chance, "note": metric.note}
    if metric.measure is None:
        result |= shares([line["scores"][name] for line in lines])
    else:
        result |= measured(metric.measure, [line["numbers"] for line in lines])
    if "interval" in result:
        result["method"] = "Wilson" if metric.measure is None else "bootstrap"
    result["units"] = len(lines)
    result["unparsed"] = sum(line.get("unparsed", 0) for line in lines)
    result["failed"] = sum(len(line.get("failed", ())) for line in lines)
    result["seconds"] = round(sum(line["seconds"] for line in lines), 1)
    return result


def points_of(name: str, metric: Metric, lines: Sequence[Line]) -> Points:
    """What the figure of a row rests on, unit by unit."""
    if metric.measure is None:
        return Points([line["scores"][name]["model"] for line in lines], share, 1)
    numbers = [line["numbers"] for line in lines]
    return Points(metric.measure.prepare(numbers), metric.measure.value, metric.measure.digits)


def share(scores: Sequence[Sequence[int]]) -> float | None:
    """In percent; None if nothing is judged."""
    right, judged = (sum(values) for values in zip(*scores))
    return 100 * right / judged if judged else None


def shares(scores: Sequence[Mapping[str, Sequence[int]]]) -> Line:
    """The proportions of all sources with their 95 % intervals; the model's at the top level."""
    result: Line = {}
    sources = list(dict.fromkeys(source for score in scores for source in score))
    for source in sources:
        pairs = [score[source] for score in scores if source in score]
        right, judged = (sum(values) for values in zip(*pairs))
        interval = [round(100 * bound, 1) for bound in wilson(right, judged)]
        value = Points(pairs, share, 1).value()
        figures = {"value": value, "n": judged, "right": right, "interval": interval}
        result |= figures if source == "model" else {source: figures}
    paired = [(score["control"], score["model"]) for score in scores if "control" in score]
    if paired:
        control, model = zip(*paired)
        result[OVER_CONTROL] = over_control(Points(control, share, 1), Points(model, share, 1))
    return result


def over_control(control: Points, model: Points, has_interval: bool = True) -> Line:
    """How much more the model has than its control, with the interval of the pairs."""
    change = paired_difference(control, model, has_interval)
    return {"value": change.value, "interval": change.interval and list(change.interval)}


def measured(measure: Measure, numbers: Sequence[Numbers]) -> Line:
    """A figure that is computed from numbers, and that of its control if it has one.

    The control is the plain caption, or the same questions without their media.
    """
    model = Points(measure.prepare(numbers), measure.value, measure.digits)
    result = estimate(model, measure.has_interval)
    if measure.control:
        control = Points(numbers, measure.control, measure.digits)
    elif all(BLIND in one for one in numbers):
        control = Points(
            measure.prepare([one[BLIND] for one in numbers]), measure.value, measure.digits
        )
    else:
        return result
    result["control"] = estimate(control, measure.has_interval)
    result[OVER_CONTROL] = over_control(control, model, measure.has_interval)
    return result


def estimate(row: Points, has_interval: bool = True) -> Line:
    """The figure with a 95 % interval of the bootstrap; no interval without a figure."""
    value, n = row.value(), len(row.points)
    if value is None or not has_interval:
        return {"value": value, "n": n}
    low, high = bootstrap_interval(row.value, n)
    return {"value": value, "n": n, "interval": [low, high]}


def table(results: Line, suite: str) -> Iterator[str]:
    """The results as text: a line for each row, or a line for each task and a column for each row.

    In the latter a cell says how many of how many are right; rows of several tasks come after it.
    """
    if not results["tasks"]:
        yield from rows_table(results["rows"])
        return
    names = list(find_suite(suite).figures(()))
    width = max(11, *(len(task) + 1 for task in results["tasks"]))
    widths = [max(10, len(name) + 1) for name in names]
    yield f"{'task':{width}}" + "".join(map(str.rjust, names, widths))
    for task, rows in [*results["tasks"].items(), (TOTAL, results["rows"])]:
        cells = [cell_of(rows[name]) if name in rows else "-" for name in names]
        yield f"{task:{width}}" + "".join(map(str.rjust, cells, widths))
    if others := {name: row for name, row in results["rows"].items() if name not in names}:
        yield from rows_table(others)


def cell_of(row: Line) -> str:
    """How many of how many are right, or the figure if it is no share."""
    return f"{row['right']}/{row['n']}" if "right" in row else str(row["value"])


def rows_table(rows: Mapping[str, Line]) -> Iterator[str]:
    """Columns in which no row has anything are left out."""
    sources = [source for source in SOURCES if any(source in row for row in rows.values())]
    aims = any(row["target"] is not None for row in rows.values())
    yield columns("row", ["value", *["target"] * aims, "95 %", "n", *sources])
    for name, row in rows.items():
        target = ""
        if row["target"] is not None:
            target = f"{'<=' if row['at_most'] else '>='}{row['target']:g}"
        interval = "-".join(map(str, row.get("interval", ())))
        others = [row.get(source, {}).get("value", "") for source in sources]
        yield columns(name, [row["value"], *[target] * aims, interval, row["n"], *others])


def columns(name: str, values: Sequence[Any]) -> str:
    return f"{name:22}" + "".join(f"{value!s:>11}" for value in values)

"""The results of an evaluation: the lines of its folder, and their summary row by row."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anygen.evaluation.metrics import wilson
from anygen.evaluation.suites.base import Metric, Suite
from anygen.evaluation.suites.world.suite import SUITE
from anygen.evaluation.suites.world.text_retention import retention_loss

OUTCOMES, RESULTS, IDENTITY = "outcomes.jsonl", "results.json", "identity.json"
SOURCES = ("control", "judge", "nearest")  # see anygen/evaluation/suites/world/scoring.py
SUITES = {"world": SUITE}

Line = dict[str, Any]  # of outcomes.jsonl
UNKNOWN: Line = {"prompt": "", "truth": {}, "verdict": {}}  # missing in lines of version 0.1.0


def find_suite(name: str) -> Suite:
    """Raises ValueError for an unknown name."""
    if name not in SUITES:
        raise ValueError(f"no suite named {name!r}; there is {', '.join(SUITES)}")
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
    """The part of results.json about the rows that were measured."""
    metrics = find_suite(suite).metrics
    measured = by_row(lines, suite)
    results = {name: row_result(name, metrics[name], own) for name, own in measured.items()}
    return {"suite": suite, "rows": results}


def by_row(lines: Sequence[Line], suite: str) -> dict[str, list[Line]]:
    """The lines of each row that was measured: those of the cases that it scores."""
    found = find_suite(suite)
    rows: dict[str, list[Line]] = {name: [] for name in found.metrics}
    for line in lines:
        for name in found.tasks[line["task"]].rows:
            if name in line["scores"] or line["numbers"]:
                rows[name].append(line)
    return {name: own for name, own in rows.items() if own}


def row_result(name: str, metric: Metric, lines: Sequence[Line]) -> Line:
    """A row of results.json: its figure in percent, the interval, the other sources."""
    result: Line = {"figure": metric.figure, "target": metric.target, "at_most": metric.at_most}
    scores = [line["scores"][name] for line in lines if name in line["scores"]]
    result |= shares(scores) if scores else retention_result(lines)
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
        figures = {"value": share, "n": judged, "interval": interval}
        result |= figures if source == "model" else {source: figures}
    return result


def retention_result(lines: Sequence[Line]) -> Line:
    numbers = [line["numbers"] for line in lines if line["numbers"]]
    loss = retention_loss(numbers)
    silent = sum(not row["ours_tokens"] for row in numbers)
    value = None if loss is None else round(loss, 2)
    return {"value": value, "n": len(numbers), "silent": silent}


def table(rows: dict[str, Line]) -> Iterator[str]:
    """The rows as text, in columns of fixed width."""
    yield columns("row", ["value", "target", "95 %", "n", *SOURCES])
    for name, row in rows.items():
        target = f"{'<=' if row['at_most'] else '>='}{row['target']:g}"
        interval = "-".join(map(str, row.get("interval", ())))
        others = [row.get(source, {}).get("value", "") for source in SOURCES]
        yield columns(name, [row["value"], target, interval, row["n"], *others])


def columns(name: str, values: Sequence[Any]) -> str:
    return f"{name:22}" + "".join(f"{value!s:>11}" for value in values)

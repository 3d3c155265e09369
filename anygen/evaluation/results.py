"""Results of an evaluation: the lines of its folder, and what they add up to, row by row."""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from anygen.evaluation.metrics import wilson
from anygen.evaluation.suites.base import Row
from anygen.evaluation.suites.world.text_retention import general_loss

OUTCOMES, RESULTS, IDENTITY = "outcomes.jsonl", "results.json", "identity.json"


SOURCES = ("control", "judge", "nearest")  # see anygen/evaluation/suites/world/scoring.py


Line = dict[str, Any]  # of outcomes.jsonl


UNKNOWN: Line = {"prompt": "", "truth": {}, "verdict": {}}  # in lines that version 0.1.0 wrote


def find_suite(name: str) -> Any:
    """A package of anygen/evaluation/suites, whose module `suite` has ROWS and TASKS."""
    if name != "world":
        raise ValueError(f"no suite named {name!r}; there is world")
    return import_module(f"anygen.evaluation.suites.{name}.suite")


def read_lines(out: Path) -> list[Line]:
    """The cases that are done; a last line that was cut short by a kill is not one."""
    path = out / OUTCOMES
    if not path.is_file():
        return []
    whole, _, cut = path.read_text(encoding="utf-8").rpartition("\n")
    if cut:
        path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    return [UNKNOWN | json.loads(line) for line in whole.splitlines()]


def summarize(lines: Sequence[Line], suite: str) -> Line:
    """What results.json holds of every row that was measured."""
    rows = find_suite(suite).ROWS
    measured = by_row(lines, suite)
    results = {name: row_result(name, rows[name], own) for name, own in measured.items()}
    return {"suite": suite, "rows": results}


def by_row(lines: Sequence[Line], suite: str) -> dict[str, list[Line]]:
    """The lines of each row that was measured: the cases that say something of it."""
    module = find_suite(suite)
    found: dict[str, list[Line]] = {name: [] for name in module.ROWS}
    for line in lines:
        for name in module.TASKS[line["task"]].rows:
            if name in line["scores"] or line["numbers"]:
                found[name].append(line)
    return {name: own for name, own in found.items() if own}


def row_result(name: str, row: Row, lines: Sequence[Line]) -> Line:
    """One figure in percent, with what goes with it."""
    result: Line = {"figure": row.figure, "target": row.target, "at_most": row.at_most}
    scores = [line["scores"][name] for line in lines if name in line["scores"]]
    result |= shares(scores) if scores else general_result(lines)
    result["seconds"] = round(sum(line["seconds"] for line in lines), 1)
    return result


def shares(scores: Sequence[Mapping[str, Sequence[int]]]) -> Line:
    """The proportions of all sources; of the model's also the 95 % interval."""
    result: Line = {}
    sources = list(dict.fromkeys(source for score in scores for source in score))
    for source in sources:
        pairs = [score[source] for score in scores if source in score]
        right, judged = (sum(values) for values in zip(*pairs))
        share = round(100 * right / judged, 1) if judged else None
        interval = [round(100 * bound, 1) for bound in wilson(right, judged)]
        if source == "model":
            result |= {"value": share, "n": judged, "interval": interval}
        else:
            result[source] = {"value": share, "n": judged, "interval": interval}
    return result


def general_result(lines: Sequence[Line]) -> Line:
    numbers = [line["numbers"] for line in lines if line["numbers"]]
    loss = general_loss(numbers)
    silent = sum(not row["ours_tokens"] for row in numbers)
    value = None if loss is None else round(loss, 2)
    return {"value": value, "n": len(numbers), "silent": silent}


def table(rows: dict[str, Line]) -> Iterator[str]:
    """The rows for people: columns of fixed width."""
    yield columns("row", ["value", "target", "95 %", "n", *SOURCES])
    for name, row in rows.items():
        target = f"{'<=' if row['at_most'] else '>='}{row['target']:g}"
        interval = "-".join(map(str, row.get("interval", ())))
        others = [row.get(source, {}).get("value", "") for source in SOURCES]
        yield columns(name, [row["value"], target, interval, row["n"], *others])


def columns(name: str, values: Sequence[Any]) -> str:
    return f"{name:22}" + "".join(f"{value!s:>11}" for value in values)

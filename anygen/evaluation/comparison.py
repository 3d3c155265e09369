"""Compares two evaluations of the same cases: differences, their significance, changed answers."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anygen.evaluation.report import (
    LABELS,
    is_right,
    judged,
    labelled,
    listed,
    shown_truth,
    title,
)
from anygen.evaluation.results import (
    COMPARABLE,
    IDENTITY,
    OUTCOMES,
    SAMPLES,
    PairedDifference,
    by_row,
    paired_difference,
    points_of,
    read_lines,
)
from anygen.evaluation.suites.base import Line, Metric
from anygen.evaluation.suites.reading import read_json
from anygen.evaluation.suites.registry import find_suite
from anygen.reports.page import Card, Shown, show_files, write_page

CHANGED = 6  # cases of a row that are shown in either direction


@dataclass(frozen=True)
class Evaluation:
    """A folder of `anygen evaluate`. `rows` are its lines by row, in the order of their ids."""

    folder: Path
    identity: Mapping[str, Any]
    metrics: Mapping[str, Metric]
    rows: Mapping[str, Sequence[Line]]
    units: Set[str]  # the ids of all that were asked


@dataclass(frozen=True)
class Difference:
    """One row of both: the figures, and the second minus the first."""

    first: float | None
    second: float | None
    n: int  # cases
    change: PairedDifference


def compare(first: Path, second: Path, page: Path) -> Iterator[str]:
    """Yields the table line by line and writes `page`.

    Raises ValueError if a folder has no results, or if the two do not have the same cases because
    of another suite, seed or limit, or were judged in another way.
    """
    both = read_evaluation(first), read_evaluation(second)
    rows = shared_rows(*both)
    metrics = both[0].metrics
    differences = {name: difference(name, metrics[name], *pair) for name, pair in rows.items()}
    yield from table(differences)
    shown = [
        {
            "name": name,
            "figure": metrics[name].figure,
            "at_most": metrics[name].at_most,
            "difference": differences[name],
            "cards": list(changed_cards(name, both, pair)),
        }
        for name, pair in rows.items()
    ]
    values = {"folders": (first, second), "identity": both[0].identity, "rows": shown}
    yield str(write_page(page, "comparison.html", values))


def read_evaluation(folder: Path) -> Evaluation:
    """Raises ValueError if the folder has no results."""
    path = folder / IDENTITY
    if not path.is_file() or not (folder / OUTCOMES).is_file():
        raise ValueError(f"{folder} holds no results; anygen evaluate --out {folder} writes some")
    identity = read_json(path)
    lines = sorted(read_lines(folder), key=id_of)
    metrics = find_suite(identity["suite"]).figures(lines)
    units = set(map(id_of, lines))
    return Evaluation(folder, identity, metrics, by_row(lines, metrics), units)


def id_of(line: Line) -> str:
    name: str = line["id"]
    return name


def shared_rows(
    first: Evaluation, second: Evaluation
) -> dict[str, tuple[Sequence[Line], Sequence[Line]]]:
    """The lines of both by row: the cases that the row judges in both.

    Raises ValueError if they are not about the same cases.
    """
    for key in COMPARABLE:
        values = [found.identity.get(key, "none") for found in (first, second)]
        if values[0] != values[1]:
            raise ValueError(
                f"{first.folder} was measured with {key} {values[0]}, {second.folder} with "
                f"{values[1]}; only answers to the same cases can be compared"
            )
    pairs = {
        name: (first.rows[name], second.rows[name]) for name in first.rows if name in second.rows
    }
    if not pairs:
        raise ValueError(f"{first.folder} and {second.folder} have no row in common")
    for name, (ours, theirs) in pairs.items():
        if not set(map(id_of, ours)) <= second.units or not set(map(id_of, theirs)) <= first.units:
            raise ValueError(
                f"{name} has {len(ours)} cases in {first.folder} and {len(theirs)} in "
                f"{second.folder}, not the same ones; measure both to the end with one --limit"
            )
    return {name: both_judge(*pair) for name, pair in pairs.items()}


def both_judge(
    first: Sequence[Line], second: Sequence[Line]
) -> tuple[Sequence[Line], Sequence[Line]]:
    """The lines of the cases that are in both; a row may judge what only one of them made."""
    cases = set(map(id_of, first)) & set(map(id_of, second))
    ours, theirs = ([line for line in lines if id_of(line) in cases] for lines in (first, second))
    return ours, theirs


def difference(
    name: str, metric: Metric, first: Sequence[Line], second: Sequence[Line]
) -> Difference:
    """The difference between two results of a row; the lines are about the same cases."""

    before, after = (points_of(name, metric, lines) for lines in (first, second))
    has_interval = metric.measure is None or metric.measure.has_interval
    change = paired_difference(before, after, has_interval)
    return Difference(before.value(), after.value(), len(first), change)


def table(differences: Mapping[str, Difference]) -> Iterator[str]:
    """The rows as text, in columns of fixed width."""
    yield columns("row", "A", "B", "B - A", "95 %", "p", "n")
    for name, row in differences.items():
        found = row.change
        change = "" if found.value is None else f"{found.value:+g}"
        interval = "{:g}..{:g}".format(*found.interval) if found.interval else ""
        p = "" if found.p is None else f"{found.p:.3g}"
        yield columns(name, row.first, row.second, change, interval, p, row.n)


def columns(*values: Any) -> str:
    return "{!s:22}{!s:>8}{!s:>8}{!s:>8}{!s:>16}{!s:>10}{!s:>6}".format(*values)


def changed_cards(
    name: str, both: tuple[Evaluation, Evaluation], pair: tuple[Sequence[Line], Sequence[Line]]
) -> Iterator[Card]:
    """Cards of the first cases that only one of the two has right: gained ones, then lost ones."""
    changed = [
        lines for lines in zip(*pair) if is_right(name, lines[0]) != is_right(name, lines[1])
    ]
    for gained in (True, False):
        for lines in [lines for lines in changed if is_right(name, lines[1]) is gained][:CHANGED]:
            yield changed_card(name, both, lines)


def changed_card(name: str, both: tuple[Evaluation, Evaluation], lines: tuple[Line, Line]) -> Card:
    line, second = lines
    right = is_right(name, second)
    badge = f"only {'B' if right else 'A'} is right"
    facts = {"Prompt": line["prompt"], "Right": listed(shown_truth(name, line))}
    media: list[Shown] = []
    for letter, evaluation, answer in zip("AB", both, lines):
        facts |= {f"{letter} answers": answer["text"], f"{letter} judged": judged(name, answer)}
        media += samples(evaluation.folder, answer, "model", letter)
    for source in ("asked", "true"):
        media += samples(both[0].folder, line, source)
    return Card(title(line), right, badge, media, facts)


def samples(folder: Path, line: Line, kind: str, label: str = "") -> list[Shown]:
    """The samples of a case from one kind of source."""
    files = {name: file for name, file in line["files"].items() if name.split()[0] == kind}
    return show_files(folder / SAMPLES, labelled(files, {kind: label or LABELS[kind]}))

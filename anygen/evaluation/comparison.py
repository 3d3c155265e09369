"""Two evaluations of the same cases: which is better, is it chance, and which answers changed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anygen.evaluation.metrics import bootstrap_interval, mcnemar, paired_interval
from anygen.evaluation.report import LABELS, SAMPLES, is_right, judged, listed, wanted_of
from anygen.evaluation.results import (
    IDENTITY,
    OUTCOMES,
    Line,
    by_row,
    find_suite,
    read_lines,
    row_result,
)
from anygen.reports.page import Card, Shown, show_files, write_page

CHANGED = 6  # cases of a row in either direction


@dataclass(frozen=True)
class Measured:
    """A folder of `anygen evaluate`; lines by row, in the order of their cases."""

    folder: Path
    identity: Mapping[str, Any]
    rows: Mapping[str, Sequence[Line]]


@dataclass(frozen=True)
class Difference:
    """One row of both: figures, and the second's less the first's, all in percent.

    `p` is McNemar's, where every case is right or wrong; elsewhere None, and the interval a
    bootstrap's over cases, None where no draw of them differs from another.
    """

    first: float | None
    second: float | None
    n: int  # cases
    change: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None


def compare(first: Path, second: Path, page: Path) -> Iterator[str]:
    """Yields the table line by line and writes `page`.

    Raises ValueError where a folder holds no results, or where the two have not answered the same
    cases: another suite, another seed, another limit.
    """
    both = read_measured(first), read_measured(second)
    rows = shared_rows(*both)
    suite = find_suite(both[0].identity["suite"]).ROWS
    differences = {name: difference(name, suite[name], *pair) for name, pair in rows.items()}
    yield from table(differences)
    shown = [
        {
            "name": name,
            "figure": suite[name].figure,
            "at_most": suite[name].at_most,
            "difference": differences[name],
            "cards": list(changed_cards(name, both, pair)),
        }
        for name, pair in rows.items()
    ]
    values = {"folders": (first, second), "identity": both[0].identity, "rows": shown}
    yield str(write_page(page, "comparison.html", values))


def read_measured(folder: Path) -> Measured:
    """Raises ValueError."""
    path = folder / IDENTITY
    if not path.is_file() or not (folder / OUTCOMES).is_file():
        raise ValueError(f"{folder} holds no results; anygen evaluate --out {folder} writes some")
    identity = json.loads(path.read_text(encoding="utf-8"))
    lines = sorted(read_lines(folder), key=lambda line: line["case"])
    return Measured(folder, identity, by_row(lines, identity["suite"]))


def shared_rows(
    first: Measured, second: Measured
) -> dict[str, tuple[Sequence[Line], Sequence[Line]]]:
    """The lines of both by row, case by case. Raises ValueError where they are not the same."""
    for key in ("suite", "seed"):
        if first.identity[key] != second.identity[key]:
            raise ValueError(
                f"{first.folder} was measured with {key} {first.identity[key]}, {second.folder} "
                f"with {second.identity[key]}; only answers to the same cases can be compared"
            )
    pairs = {
        name: (first.rows[name], second.rows[name]) for name in first.rows if name in second.rows
    }
    if not pairs:
        raise ValueError(f"{first.folder} and {second.folder} have no row in common")
    for name, (ours, theirs) in pairs.items():
        if [line["case"] for line in ours] != [line["case"] for line in theirs]:
            raise ValueError(
                f"{name} has {len(ours)} cases in {first.folder} and {len(theirs)} in "
                f"{second.folder}, not the same ones; measure both to the end with one --limit"
            )
    return pairs


# --- the figures ---


def difference(name: str, row: Any, first: Sequence[Line], second: Sequence[Line]) -> Difference:
    """`row` is the suite's; the lines are of the same cases."""

    def figure(lines: Sequence[Line]) -> float | None:
        value: float | None = row_result(name, row, lines)["value"]
        return value

    def change(chosen: Sequence[int]) -> float | None:
        ours, theirs = (figure([lines[i] for i in chosen]) for lines in (first, second))
        return None if ours is None or theirs is None else round(theirs - ours, 2)

    found = Difference(figure(first), figure(second), len(first), change(range(len(first))))
    if found.change is None:
        return found
    if not all(is_decided(name, line) for line in (*first, *second)):
        low, high = bootstrap_interval(change, found.n)
        return replace(found, interval=(low, high) if low < high else None)
    judged = [(is_right(name, a), is_right(name, b)) for a, b in zip(first, second)]
    lost, gained = judged.count((True, False)), judged.count((False, True))
    low, high = paired_interval(lost, gained, found.n)
    interval = round(100 * low, 1), round(100 * high, 1)
    return replace(found, interval=interval, p=mcnemar(lost, gained))


def is_decided(name: str, line: Line) -> bool:
    """Whether a case is right or wrong as a whole, rather than counted medium by medium."""
    return name in line["scores"] and line["scores"][name]["model"][1] == 1


def table(differences: Mapping[str, Difference]) -> Iterator[str]:
    """The rows for people: columns of fixed width."""
    yield columns("row", "A", "B", "B - A", "95 %", "p", "n")
    for name, row in differences.items():
        change = "" if row.change is None else f"{row.change:+g}"
        interval = "{:g}..{:g}".format(*row.interval) if row.interval else ""
        p = "" if row.p is None else f"{row.p:.3g}"
        yield columns(name, row.first, row.second, change, interval, p, row.n)


def columns(*values: Any) -> str:
    return "{!s:22}{!s:>8}{!s:>8}{!s:>8}{!s:>16}{!s:>10}{!s:>6}".format(*values)


# --- the answers ---


def changed_cards(
    name: str, both: tuple[Measured, Measured], pair: tuple[Sequence[Line], Sequence[Line]]
) -> Iterator[Card]:
    """The first cases that only one of the two has right: those gained, then those lost."""
    changed = [
        lines for lines in zip(*pair) if is_right(name, lines[0]) != is_right(name, lines[1])
    ]
    for gained in (True, False):
        for lines in [lines for lines in changed if is_right(name, lines[1]) is gained][:CHANGED]:
            yield changed_card(name, both, lines)


def changed_card(name: str, both: tuple[Measured, Measured], lines: tuple[Line, Line]) -> Card:
    line, second = lines
    right = is_right(name, second)
    badge = f"only {'B' if right else 'A'} is right"
    facts = {"Prompt": line["prompt"], "Right": listed(wanted_of(name, line))}
    media: list[Shown] = []
    for letter, measured, answered in zip("AB", both, lines):
        facts |= {f"{letter} answers": answered["text"], f"{letter} judged": judged(name, answered)}
        media += shown(measured.folder, answered, {"model": letter})
    media += shown(both[0].folder, line, {"asked": LABELS["asked"], "true": LABELS["true"]})
    return Card(f"{line['task']} {line['case']}", right, badge, media, facts)


def shown(folder: Path, line: Line, labels: Mapping[str, str]) -> list[Shown]:
    """The samples of a case; `labels` by source."""
    files = {label: line["files"][key] for key, label in labels.items() if key in line["files"]}
    return show_files(folder / SAMPLES, files)

"""The HTML page of an evaluation: its figures, and the answers that they rest on."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anygen.evaluation.results import SAMPLES, SOURCES, TOTAL, by_row, by_task, cell_of
from anygen.evaluation.suites.base import Line, Metric
from anygen.evaluation.suites.registry import find_suite
from anygen.evaluation.suites.world.plain_answers import mean_log_likelihood
from anygen.evaluation.suites.world.scoring import KEYS
from anygen.reports import plots
from anygen.reports.page import Card, show_files, svg_uri, write_page

PAGE, SAMPLES_PAGE = "report.html", "samples.html"
SHOWN = 12  # cases of a row
FEW = 8  # classes of a published suite's answers, such as yes and no, that make a matrix
# Sources of samples and their labels on a page, in the order in which it shows them. A source may
# have a number: the media of one answer.
LABELS = {
    "asked": "in the prompt",
    "model": "answer",
    "control": "plain caption",
    "true": "true",
}


def write(out: Path, results: Mapping[str, Any], lines: Sequence[Line]) -> Path:
    """Write report.html to the folder `out`; returns its path.

    `results` is the content of results.json, `lines` are those of outcomes.jsonl.
    """
    rows = [
        {"name": name, "depth": depth, **row, "met": is_met(row)}
        for name, depth in tree_of(results, lines)
        for row in (results["rows"][name],)
    ]
    columns = list(results["rows"])
    sources = [name for name in SOURCES if any(name in row for row in rows)]
    optional = ("target", "chance", "unparsed", "failed")
    tasks = {**results["tasks"], TOTAL: results["rows"]} if results["tasks"] else {}
    sections = task_sections if tasks else row_sections
    whole = find_suite(results["suite"]).whole
    values = {
        "results": results,
        "facts": facts_of(results),
        "has_samples": (out / SAMPLES_PAGE).is_file(),
        "rows": rows,
        "shown": {*sources, *(key for key in optional if any(row[key] for row in rows))},
        "columns": columns,
        "tasks": {
            name: {column: cell_of(row) for column, row in own.items()}
            for name, own in tasks.items()
        },
        "bars": {name: own.get(whole) for name, own in tasks.items()},
        "sections": sections(out, results, lines),
    }
    return write_page(out / PAGE, "evaluation.html", values)


def facts_of(results: Mapping[str, Any]) -> Mapping[str, str]:
    """What was measured, how, and where; what is empty is not shown."""
    how = [f"{key} {results[key]}" for key in ("mode", "split", "seed") if key in results]
    machine = results["machine"]
    return {
        "Model": results["model"],
        "Weights": results["weights"],
        "Suite": ", ".join([results["suite"], *how]),
        "Data": results.get("data", ""),
        "Judge": results.get("judge", ""),
        "Extractors": ", ".join(results.get("extractors", {})),
        "Date": results["date"],
        "Version": f"anygen {results['version']}",
        "Machine": f"{machine['system']}, {machine['threads']} threads, torch {machine['torch']}",
    }


def tree_of(results: Mapping[str, Any], lines: Sequence[Line]) -> list[tuple[str, int]]:
    """The rows with their depth, each after the one that it is a part of, such as an ability.

    Rows are parts of another one if they divide its units among them.
    """
    rows = by_row(lines, find_suite(results["suite"]).figures(lines))
    units = {name: frozenset(line["id"] for line in own) for name, own in rows.items()}
    parents = {name: parent_of(name, units) for name in units}
    for parent in units:
        parts = [name for name in units if parents[name] == parent]
        if not is_divided(units[parent], [units[name] for name in parts]):
            parents |= dict.fromkeys(parts)

    def below(parent: str | None, depth: int) -> Iterator[tuple[str, int]]:
        for name in results["rows"]:
            if parents.get(name) == parent:
                yield name, depth
                yield from below(name, depth + 1)

    return list(below(None, 0))


def parent_of(name: str, units: Mapping[str, frozenset[str]]) -> str | None:
    """The row with the fewest units that has all of this one's, and more."""
    wider = [other for other in units if units[name] < units[other]]
    return min(wider, key=lambda other: len(units[other]), default=None)


def is_divided(whole: frozenset[str], parts: Sequence[frozenset[str]]) -> bool:
    return frozenset().union(*parts) == whole and sum(map(len, parts)) == len(whole)


def is_met(row: Line) -> bool | None:
    """Whether a row of results.json reaches its target, which it may lack; not without a value."""
    value, target = row["value"], row["target"]
    if target is None:
        return None
    return value is not None and (value <= target if row["at_most"] else value >= target)


def row_sections(out: Path, results: Mapping[str, Any], lines: Sequence[Line]) -> list[Line]:
    """The worst cases of each row."""
    metrics = find_suite(results["suite"]).figures(lines)
    return [
        {
            "name": name,
            "row": results["rows"][name],
            "matrix": matrix(name, own),
            "cards": [card(out, name, line) for line in chosen(name, metrics[name], own)],
        }
        for name, own in by_row(lines, metrics).items()
    ]


def task_sections(out: Path, results: Mapping[str, Any], lines: Sequence[Line]) -> list[Line]:
    """All cases of each task, those that are wrong as a whole first."""
    whole = find_suite(results["suite"]).whole
    return [
        {
            "name": name,
            "row": results["tasks"][name].get(whole) or next(iter(results["tasks"][name].values())),
            "matrix": matrix(whole, own),
            "cards": [
                card(out, whole, line)
                for line in sorted(own, key=lambda line: is_right(whole, line) or False)
            ],
        }
        for name, own in by_task(lines).items()
    ]


def matrix(name: str, lines: Sequence[Line]) -> str:
    """The URI of a row's confusion matrix; empty if its cases have no classes."""
    pairs = classes(name, lines)
    return svg_uri(plots.confusion_svg(pairs)) if pairs else ""


def classes(name: str, lines: Sequence[Line]) -> list[plots.Pair]:
    """The true and the judged class of each case; empty if the row scores several keys at once."""
    scored = [scored_truth(name, line) or comparable(line) for line in lines]
    if any(len(right) != 1 for right in scored):
        return []
    keys = [next(iter(right)) for right in scored]
    pairs = [
        (line["truth"][key], line["verdict"].get(key, plots.NOTHING))
        for key, line in zip(keys, lines)
    ]
    is_known = any(scored_truth(name, line) for line in lines)
    return pairs if is_known or len({right for right, _ in pairs}) <= FEW else []


def scored_truth(name: str, line: Line) -> dict[str, str]:
    """The part of a case's truth that the row scores."""
    return {key: right for key, right in line["truth"].items() if key in KEYS.get(name, ())}


def comparable(line: Line) -> dict[str, str]:
    """The truth of a published suite, if its verdict is about the same and nothing else."""
    return line["truth"] if line["truth"].keys() == line["verdict"].keys() else {}


def chosen(name: str, metric: Metric, lines: Sequence[Line]) -> list[Line]:
    """The cases to show: failures first; only those with samples if the row is about media."""

    def quality(line: Line) -> float:
        if metric.measure is not None:
            return metric.measure.quality(line["numbers"])
        return float(is_right(name, line) or False)

    with_media = [line for line in lines if "control" in line["files"]]
    order = sorted(
        with_media or lines, key=lambda line: (quality(line), not line["files"], line["case"])
    )
    return order[:SHOWN]


def is_right(name: str, line: Line) -> bool | None:
    """Whether everything that the row judges in a case is right; None if it judges nothing."""
    if name not in line["scores"]:
        return None
    right, judged = line["scores"][name]["model"]
    return right == judged


def card(out: Path, name: str, line: Line) -> Card:
    facts = {
        "Prompt": line["prompt"],
        "Answer": line["text"],
        "Right": listed(shown_truth(name, line)),
        "Judged": judged(name, line),
        "Nats per token": likelihoods(line),
        "Not answered": " ".join(line.get("failed", ())),
    }
    right = is_right(name, line)
    badge = {True: "right", False: "wrong", None: ""}[right]
    media = show_files(out / SAMPLES, labelled(line["files"]))
    return Card(title(line), right, badge, media, facts)


def title(line: Line) -> str:
    """The id of a unit, with its task if that is no part of it."""
    name: str = line["id"]
    return name if name.startswith(line["task"]) else f"{line['task']} {name}"


def labelled(files: Mapping[str, str], labels: Mapping[str, str] = LABELS) -> dict[str, str]:
    """The names of files by their labels on a page, in the order of the labels."""
    return {
        source.replace(kind, labels[kind]): name
        for kind in labels
        for source, name in files.items()
        if source.split()[0] == kind
    }


def shown_truth(name: str, line: Line) -> dict[str, str]:
    """The part of the truth that the row scores, or all of it if the row is not scored by keys."""
    return scored_truth(name, line) or line["truth"]


def judged(name: str, line: Line) -> str:
    """The verdict on what the row scores, or all of it if the row is not scored by keys."""
    keys = scored_truth(name, line)
    if not keys:
        return listed(line["verdict"])
    return listed({key: line["verdict"].get(key, plots.NOTHING) for key in keys})


def listed(verdict: Mapping[str, str]) -> str:
    """`left: cat, right: dog`."""
    return ", ".join(f"{key}: {name}" for key, name in verdict.items())


def likelihoods(line: Line) -> str:
    """The mean log-likelihoods of a plain answer; empty for other cases."""
    numbers = line["numbers"]
    if "ours_sum" not in numbers:
        return ""
    ours, base = mean_log_likelihood(numbers, "ours"), mean_log_likelihood(numbers, "base")
    return f"{ours:.2f}; the base model's own answer has {base:.2f}"

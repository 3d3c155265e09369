"""The HTML page of an evaluation: its figures, and the answers that they rest on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anygen.evaluation.results import Line
from anygen.evaluation.suites.world.scoring import KEYS
from anygen.reports import plots
from anygen.reports.page import Card, show_files, svg_uri, write_page

PAGE = "report.html"
SAMPLES = "samples"
SHOWN = 12  # cases of a row
# Sources of samples and their labels on a page, in the order in which it shows them.
LABELS = {
    "asked": "in the prompt",
    "model": "answer",
    "control": "plain caption",
    "true": "true",
}


def write(out: Path, results: Mapping[str, Any], lines: Mapping[str, Sequence[Line]]) -> Path:
    """Write report.html to the folder `out`; returns its path.

    `results` is the content of results.json, `lines` are those of outcomes.jsonl by row.
    """
    rows = [
        {
            "name": name,
            **row,
            "met": is_met(row),
            "matrix": matrix(name, lines[name]),
            "cards": [card(out, name, line) for line in chosen(name, lines[name])],
        }
        for name, row in results["rows"].items()
    ]
    return write_page(out / PAGE, "evaluation.html", {"results": results, "rows": rows})


def is_met(row: Line) -> bool:
    """Whether a row of results.json reaches its target; False if it has no value."""
    value, target = row["value"], row["target"]
    return value is not None and (value <= target if row["at_most"] else value >= target)


def matrix(name: str, lines: Sequence[Line]) -> str:
    """The URI of a row's confusion matrix; empty if its cases have no classes."""
    pairs = classes(name, lines)
    return svg_uri(plots.confusion_svg(pairs)) if pairs else ""


def classes(name: str, lines: Sequence[Line]) -> list[plots.Pair]:
    """The true and the judged class of each case; empty if the row scores several keys at once."""
    scored = [scored_truth(name, line) for line in lines]
    if any(len(right) != 1 for right in scored):
        return []
    keys = [next(iter(right)) for right in scored]
    return [
        (line["truth"][key], line["verdict"].get(key, plots.NOTHING))
        for key, line in zip(keys, lines)
    ]


def scored_truth(name: str, line: Line) -> dict[str, str]:
    """The part of a case's truth that the row scores."""
    return {key: right for key, right in line["truth"].items() if key in KEYS.get(name, ())}


def chosen(name: str, lines: Sequence[Line]) -> list[Line]:
    """The cases to show: failures first; only those with samples if the row is about media."""
    with_media = [line for line in lines if "control" in line["files"]]
    order = sorted(
        with_media or lines, key=lambda line: (badness(name, line), not line["files"], line["case"])
    )
    return order[:SHOWN]


def badness(name: str, line: Line) -> float:
    """The key by which cases are sorted, the worst first."""
    if line["numbers"]:
        return mean_log_likelihood(line, "ours") - mean_log_likelihood(line, "base")
    return -float(not is_right(name, line))


def is_right(name: str, line: Line) -> bool | None:
    """Whether everything that the row judges in a case is right; None if it judges nothing."""
    if name not in line["scores"]:
        return None
    right, judged = line["scores"][name]["model"]
    return right == judged


def mean_log_likelihood(line: Line, whose: str) -> float:
    """Per token, in nats, under the base model."""
    numbers = line["numbers"]
    return numbers[f"{whose}_sum"] / max(1, numbers[f"{whose}_tokens"])


def card(out: Path, name: str, line: Line) -> Card:
    files = {LABELS[source]: line["files"][source] for source in LABELS if source in line["files"]}
    facts = {
        "Prompt": line["prompt"],
        "Answer": line["text"],
        "Right": listed(shown_truth(name, line)),
        "Judged": judged(name, line),
        "Nats per token": likelihoods(line),
    }
    right = is_right(name, line)
    badge = {True: "right", False: "wrong", None: ""}[right]
    media = show_files(out / SAMPLES, files)
    return Card(f"{line['task']} {line['case']}", right, badge, media, facts)


def shown_truth(name: str, line: Line) -> dict[str, str]:
    """The part of the truth that the row scores, or all of it if the row is not scored by keys."""
    return scored_truth(name, line) or line["truth"]


def judged(name: str, line: Line) -> str:
    """The verdict on what the row scores; empty if the row is not scored by keys."""
    keys = scored_truth(name, line)
    return listed({key: line["verdict"].get(key, plots.NOTHING) for key in keys})


def listed(verdict: Mapping[str, str]) -> str:
    """`left: cat, right: dog`."""
    return ", ".join(f"{key}: {name}" for key, name in verdict.items())


def likelihoods(line: Line) -> str:
    """The mean log-likelihoods of a plain answer; empty for other cases."""
    if not line["numbers"]:
        return ""
    ours, base = mean_log_likelihood(line, "ours"), mean_log_likelihood(line, "base")
    return f"{ours:.2f}; the base model's own answer has {base:.2f}"

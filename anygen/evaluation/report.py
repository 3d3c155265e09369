"""The page of an evaluation: what was measured, and what the answers look and sound like."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anygen.evaluation.suites.world.scoring import KEYS
from anygen.reports import plots
from anygen.reports.page import Card, show_files, svg_uri, write_page

PAGE = "report.html"
SAMPLES = "samples"
SHOWN = 12  # cases of a row
# Sources of samples and what a page calls them, in the order in which it shows them.
LABELS = {
    "asked": "in the prompt",
    "model": "answer",
    "control": "plain caption",
    "true": "true",
}

Line = dict[str, Any]  # of outcomes.jsonl


def write(out: Path, results: Mapping[str, Any], lines: Mapping[str, Sequence[Line]]) -> Path:
    """Write report.html from what lies in the folder `out`; returns its path.

    `results` is what results.json holds, `lines` the lines of outcomes.jsonl by row.
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
    """Whether the aim of a row of results.json is reached; without a value it is not."""
    value, target = row["value"], row["target"]
    return value is not None and (value <= target if row["at_most"] else value >= target)


def matrix(name: str, lines: Sequence[Line]) -> str:
    """The URI of a row's confusion matrix; empty where its cases have no classes."""
    pairs = classes(name, lines)
    return svg_uri(plots.confusion_svg(pairs)) if pairs else ""


def classes(name: str, lines: Sequence[Line]) -> list[plots.Pair]:
    """What was asked and what it was judged as, case by case; none for other than one thing."""
    asked = [asked_of(name, line["truth"]) for line in lines]
    if any(len(right) != 1 for right in asked):
        return []
    keys = [next(iter(right)) for right in asked]
    return [
        (line["truth"][key], line["verdict"].get(key, plots.NOTHING))
        for key, line in zip(keys, lines)
    ]


def asked_of(name: str, truth: Mapping[str, str]) -> dict[str, str]:
    """What of a truth the row scores."""
    return {key: right for key, right in truth.items() if key in KEYS.get(name, ())}


def chosen(name: str, lines: Sequence[Line]) -> list[Line]:
    """Failures first, and first those whose media were kept; where media are made, only those."""
    kept = [line for line in lines if "control" in line["files"]]
    order = sorted(
        kept or lines, key=lambda line: (badness(name, line), not line["files"], line["case"])
    )
    return order[:SHOWN]


def badness(name: str, line: Line) -> float:
    """0 for what is right; cases are shown from the worst on."""
    if line["numbers"]:
        return likeness(line, "ours") - likeness(line, "base")
    return -float(not is_right(name, line))


def is_right(name: str, line: Line) -> bool | None:
    """Whether all of a case's media or words are right; None where the row counts nothing."""
    if name not in line["scores"]:
        return None
    right, judged = line["scores"][name]["model"]
    return right == judged


def likeness(line: Line, whose: str) -> float:
    """Mean log-likelihood per token, in nats, as the base model finds it."""
    numbers = line["numbers"]
    return numbers[f"{whose}_sum"] / max(1, numbers[f"{whose}_tokens"])


def card(out: Path, name: str, line: Line) -> Card:
    files = {LABELS[source]: line["files"][source] for source in LABELS if source in line["files"]}
    facts = {
        "Prompt": line["prompt"],
        "Answer": line["text"],
        "Right": listed(wanted_of(name, line)),
        "Judged": judged(name, line),
        "Nats per token": likelihoods(line),
    }
    right = is_right(name, line)
    badge = {True: "right", False: "wrong", None: ""}[right]
    media = show_files(out / SAMPLES, files)
    return Card(f"{line['task']} {line['case']}", right, badge, media, facts)


def wanted_of(name: str, line: Line) -> dict[str, str]:
    """What would be right: all of it where the row does not say which part it scores."""
    return asked_of(name, line["truth"]) or line["truth"]


def judged(name: str, line: Line) -> str:
    """What the row scores, as the answer was judged; empty where it is judged otherwise."""
    keys = asked_of(name, line["truth"])
    return listed({key: line["verdict"].get(key, plots.NOTHING) for key in keys})


def listed(verdict: Mapping[str, str]) -> str:
    """`left: cat, right: dog`."""
    return ", ".join(f"{key}: {name}" for key, name in verdict.items())


def likelihoods(line: Line) -> str:
    """How likely a plain answer is, where a case is about that."""
    if not line["numbers"]:
        return ""
    ours, base = likeness(line, "ours"), likeness(line, "base")
    return f"{ours:.2f}; the base model's own answer has {base:.2f}"

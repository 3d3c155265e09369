"""ISG-Bench: answers in which text and pictures alternate, by their structure.

Chen et al. 2025 (arXiv:2411.17188). Structure needs no judge and is what the others rest on; they
are judged by a language model, whose program (ISG-eval.py) reads `isg/answers.jsonl` and writes
`isg/answers_.._judge.jsonl`. Without a verdict in it, block and holistic are 1 of 10, and image 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from anygen.core.media import Part
from anygen.evaluation.suites.base import (
    Answered,
    Bench,
    Line,
    Measure,
    Metric,
    Numbers,
    Outcome,
    Source,
    Unit,
)
from anygen.evaluation.suites.interleaved import alternating
from anygen.evaluation.suites.interleaved.alternating import (
    Question,
    update_list,
    write_pictures,
)
from anygen.evaluation.suites.reading import (
    find_medium,
    finite,
    in_form,
    in_order,
    only_file,
    read_rows,
    with_keys,
)

UNIT = "question"
MAKES_MEDIA = True
FILE = "ISG-Bench.jsonl"
KINDS = ("text", "image")
ANSWERS, JUDGED = "answers.jsonl", "answers*_judge.jsonl"
JUDGED_ROWS = {
    "block": ("relations between parts that hold, by the judge", "of 10"),
    "image": ("questions about pictures that are answered yes, by the judge", "%"),
    "holistic": ("the whole answer, by the judge", "of 10"),
}


def read(source: Source) -> list[Unit]:
    """A unit for each question. Raises ValueError for a file in another layout."""
    folder = source.folder("isg", f"{FILE} and images/")
    path = only_file(folder, FILE, "the questions of ISG-Bench")
    units = []
    for row in read_rows(path, "id", "Category", "Query", "Golden"):
        where = f"{path}: {row['id']}"
        question = tuple(
            part["content"] if part["type"] == "text" else find_medium(folder, part["content"])
            for part in checked(row["Query"], where)
        )
        gold = tuple(part["type"] for part in checked(row["Golden"], where))
        content = Question(question, gold, row)
        units.append(Unit(str(row["id"]), row["Category"], ("structure", "number"), content))
    return in_order(units)


def checked(parts: Sequence[Any], where: str) -> list[dict[str, Any]]:
    found = [with_keys(part, ["type", "content"], where) for part in parts]
    if unknown := [part["type"] for part in found if part["type"] not in KINDS]:
        raise ValueError(f"{where}: a part has the type {unknown[0]!r}, not text or image")
    return found


def write(out: Path, unit: Unit, parts: Sequence[Part]) -> None:
    folder = out / "isg"
    written = write_pictures(folder, lambda number: f"{unit.id}_o{number}.png", parts)
    kinds = alternating.structure_of(parts)
    contents = [
        text if kind == "text" else str((folder / text).resolve())
        for kind, text in zip(kinds, written)
    ]
    output = [{"type": kind, "content": text} for kind, text in zip(kinds, contents)]
    update_list(folder / ANSWERS, {**unit.content.row, "output": output}, as_lines=True)


ask = alternating.ask


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    """Writes new answers; the others are those of the file, as the judge's program read them."""
    new = iter(alternating.judge(write, bench, [one for one in answered if one.cases]))
    written = by_id(bench.out / "isg", ANSWERS)
    judged = bench.out / "isg" / JUDGED
    verdicts = by_id(bench.out / "isg", JUDGED)
    outcomes = []
    for one in answered:
        if one.cases:
            outcome = next(new)
        else:
            output = written.get(one.unit.id, {}).get("output", [])
            with in_form(bench.out / "isg" / ANSWERS, "the form of ISG-Bench's answers"):
                kinds = [part["type"] for part in output]
            outcome = alternating.score_structure(one.unit, kinds)
            outcome = replace(outcome, text=" ".join(text or "" for text in one.texts))
        if verdicts:  # an answer without one has the lowest grades
            with in_form(judged, "the form of ISG-eval.py"):
                verdict = verdicts.get(one.unit.id, {})
                numbers = judged_numbers(verdict, f"{judged}: {one.unit.id}")
            outcome = replace(outcome, numbers=numbers)
        outcomes.append(outcome)
    return outcomes


def by_id(folder: Path, pattern: str) -> dict[str, dict[str, Any]]:
    """The rows of the files, by the ids of their questions."""
    with in_form(folder / pattern, "JSON lines"):
        paths = sorted(folder.glob(pattern))
        return {str(row["id"]): row for path in paths for row in read_rows(path, "id")}


def judged_numbers(row: Mapping[str, Any], where: str) -> dict[str, float]:
    """What the judge's program wrote about an answer. Raises ValueError for odd grades."""
    result = row.get("result") or {}
    scores = [one.get("VQA_judge_Score") or {} for one in result.get("block") or ()]
    grades = [score["Judge"] for score in scores if score.get("Judge") is not None]
    blocks = [finite(grade, f"{where}: Judge") for grade in grades]
    whole = (result.get("holistic") or {}).get("overall_score")
    questions = result.get("image") or ()
    yes = [str((one.get("judge") or {}).get("Judge", "")).lower() == "yes" for one in questions]
    return {
        "block": sum(blocks) / len(blocks) if blocks else 1.0,
        "image": 100 * sum(yes) / len(yes) if yes else 0.0,
        "holistic": 1.0 if whole is None else finite(whole, f"{where}: overall_score"),
    }


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    measured = {key for line in lines for key in line["numbers"]}
    rows = dict(alternating.figures(lines))
    for name, (about, scale) in JUDGED_ROWS.items():
        if name in measured:
            measure = Measure((name,), partial(mean_of, name), partial(value_of, name))
            rows[name] = Metric(about, measure=measure, scale=scale)
    return rows


def mean_of(name: str, numbers: Sequence[Numbers]) -> float:
    return sum(value_of(name, one) for one in numbers) / len(numbers)


def value_of(name: str, numbers: Numbers) -> float:
    value: float = numbers[name]
    return value

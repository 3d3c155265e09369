"""Results in the files of the programs that published a suite, or measure with it.

They hold the recorded answers beside the questions, which are read from the data again.
"""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from anygen.evaluation.results import IDENTITY, read_lines
from anygen.evaluation.suites.base import LIKELIHOOD, Unit
from anygen.evaluation.suites.mmbench import LETTERS, PASS, Choice
from anygen.evaluation.suites.reading import read_json
from anygen.evaluation.suites.reform.questions import Question, repeats_of
from anygen.evaluation.suites.registry import choose, find_suite
from anygen.evaluation.units import read_units

Rows = Sequence[tuple[Unit, Sequence[str]]]  # with its answers, empty for one that failed


def export(results: Path, data: Path, out: Path) -> list[Path]:
    """Writes the answers of a folder of results; returns the paths of the files.

    Raises ValueError for a folder without answers, for answers that the data already hold, and for
    a suite that has no such files.
    """
    identity_path = results / IDENTITY
    if not identity_path.is_file():
        raise ValueError(f"{results}: holds no results of anygen evaluate")
    identity: Mapping[str, str] = read_json(identity_path)
    write = FORMS.get(identity["suite"])
    if write is None:
        raise ValueError(
            f"the suite {identity['suite']} has no files of another program; {', '.join(FORMS)} do"
        )
    suite = find_suite(identity["suite"])
    source = choose(suite, data, identity.get("mode", ""), identity.get("split", ""))
    answers = {line["id"]: line["answers"] for line in read_lines(results)}
    rows = [
        (unit, [text or "" for text in answers[unit.id]])
        for unit in read_units(suite, source)
        if unit.id in answers
    ]
    if any(unit.answers is not None for unit, _ in rows):
        raise ValueError(f"{results}: scores answers that {data} holds; there is nothing to export")
    if not rows:
        raise ValueError(f"{results}: holds no answers to the questions in {data}")
    out.mkdir(parents=True, exist_ok=True)
    return write(rows, out, data)


def write_mme(rows: Rows, out: Path, data: Path) -> list[Path]:
    """A text for each task, as calculation.py reads it: picture, question, gold, answer."""
    tasks: dict[str, list[str]] = {}
    for unit, texts in rows:
        picture, pairs, _ = unit.content
        for (question, gold), text in zip(pairs, texts):
            cells = (picture.name, question, gold.capitalize(), " ".join(text.split()))
            tasks.setdefault(unit.task, []).append("\t".join(cells) + "\n")
    return [written(out / f"{task}.txt", "".join(own)) for task, own in tasks.items()]


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def write_mmbench(rows: Rows, out: Path, data: Path) -> list[Path]:
    """A table as VLMEvalKit writes it with PRED_FORMAT=tsv, of which its `run.py --mode eval` and
    the leaderboard take the column `prediction`.
    """
    [source] = data.glob("*.tsv")
    path = out / f"anygen_{source.stem}.tsv"
    columns = ["index", "question", "hint", *LETTERS, "answer", "category", "prediction"]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, delimiter="\t")
        writer.writeheader()
        for unit, texts in rows:
            choices: Sequence[Choice] = unit.content
            for number, (choice, text) in enumerate(zip(choices, texts)):
                writer.writerow(
                    {
                        "index": int(unit.id) + number * PASS,
                        "question": choice.text,
                        "hint": choice.hint,
                        **dict(zip(LETTERS, choice.options)),
                        "answer": choice.gold,
                        "category": unit.task,
                        "prediction": text,
                    }
                )
    return [path]


def write_reform(rows: Rows, out: Path, data: Path) -> list[Path]:
    """Predictions for run_loader_eval.py, a file for each set."""
    files: dict[str, list[dict[str, Any]]] = {}
    for unit, texts in rows:
        query: Question = unit.content
        name = f"{query.task.name}_{formulation(query)}.json"
        files.setdefault(name, []).extend(predictions(query, texts))
    for name, own in files.items():
        written(out / name, json.dumps(own, ensure_ascii=False))
    return [out / name for name in files]


def formulation(query: Question) -> str:
    kinds = {
        "caption": "Generation",
        "text": "KIEOpenEnded" if query.task.fuzzy else "OCROpenEnded",
    }
    return kinds.get(query.task.family, "SingleChoice")


def predictions(query: Question, texts: Sequence[str]) -> list[dict[str, Any]]:
    """An entry for each answer; one that was compared by likelihood is the place of its option."""
    entries: list[dict[str, Any]] = []
    repeats = [(n, one) for n in range(len(query.rounds)) for one in repeats_of(query, n)]
    for (number, repeat), text in zip(repeats, texts):
        sample = query.rounds[number]
        entry: dict[str, Any] = {"sample_id": sample.id, "prediction": text}
        if query.task.family == "caption":
            entry["references"] = sample.texts
        elif not repeat.options:
            entry["answer"] = sample.texts if query.task.fuzzy else " ".join(sample.texts)
        else:
            entry |= {"answer": repeat.gold, "answer_options": repeat.options}
            if query.mode.startswith(LIKELIHOOD) and text in repeat.options:
                entry["prediction"] = repeat.options.index(text)
        if query.task.family == "dialogue":
            entry["round_id"] = number
        entries.append(entry)
    return entries


FORMS: Mapping[str, Callable[[Rows, Path, Path], list[Path]]] = {
    "mme": write_mme,
    "mmbench": write_mmbench,
    "reform": write_reform,
}

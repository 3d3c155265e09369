"""Prediction files in the form of ReForm-Eval's run_loader_eval.py, of whatever program.

A file `SET_FORMULATION_...json` is a list of `{sample_id, answer, answer_options, prediction}`,
with a line for each repeat; a prediction by likelihood is the place of an option.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anygen.evaluation.suites.base import LIKELIHOOD, Unit
from anygen.evaluation.suites.reading import finite, in_order, with_keys
from anygen.evaluation.suites.reform.catalogue import Family, TaskSet
from anygen.evaluation.suites.reform.prompts import GENERATION
from anygen.evaluation.suites.reform.questions import Question, Repeat
from anygen.evaluation.suites.reform.readers import Sample, place_of, read_rows

Row = Mapping[str, Any]
FAMILIES: Mapping[str, Family] = {"SingleChoice": "choice", "Generation": "caption"}
FORMULATIONS = ("SingleChoice", "Generation", "OCROpenEnded", "KIEOpenEnded")


def read_predictions(folder: Path) -> list[Unit]:
    """A unit for each sample. Raises ValueError for a folder without such files."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise ValueError(f"{folder}: has no predictions, such as VQA_SingleChoice.json")
    return [unit for path in paths for unit in in_order(read_file(path))]


def read_file(path: Path) -> list[Unit]:
    formulation = next((one for one in FORMULATIONS if f"_{one}" in path.stem), "")
    if not formulation:
        raise ValueError(
            f"{path}: the name says no formulation; write NAME_{FORMULATIONS[0]}.json, or "
            f"{', '.join(FORMULATIONS[1:])}"
        )
    samples: dict[str, list[Row]] = {}
    answer = "references" if formulation == "Generation" else "answer"
    for number, row in enumerate(read_rows(path)):
        row = with_keys(row, ("sample_id", answer, "prediction"), f"{path}: row {number}")
        samples.setdefault(str(row["sample_id"]), []).append(row)
    name = path.stem.partition(f"_{formulation}")[0]
    return [
        read_unit(name, formulation, key, rows, f"{path}: sample {key}")
        for key, rows in samples.items()
    ]


def read_unit(name: str, formulation: str, key: str, rows: Sequence[Row], where: str) -> Unit:
    first = rows[0]
    repeats: list[Repeat] = []
    texts: tuple[str, ...] = ()
    if formulation == "SingleChoice":
        repeats = [read_repeat(row, where) for row in rows]
    else:
        found = first["references"] if formulation == "Generation" else first["answer"]
        texts = (found,) if isinstance(found, str) else tuple(map(str, found))
        if not texts:
            raise ValueError(f"{where}: has no right answer")
        repeats = [Repeat("", "", (), 0, "") for _ in rows]
    dialogue = "round_id" in first
    task = TaskSet(
        name,
        "multi_turn" if dialogue else "reasoning",
        "dialogue" if dialogue else FAMILIES.get(formulation, "text"),
        "",
        fuzzy=formulation == "KIEOpenEnded",
    )
    mode = LIKELIHOOD if isinstance(first["prediction"], int) else GENERATION
    sample = Sample(key, (), options=repeats[0].options, texts=texts)
    round_id = int(finite(first.get("round_id", 0), f"{where}: round_id"))
    query = Question(task, sample, (), mode, tuple(repeats), round_id)
    answers = tuple(answer_of(row, repeat) for row, repeat in zip(rows, repeats))
    return Unit(f"{name}/{key}", name, (name,), query, answers)


def read_repeat(row: Row, where: str) -> Repeat:
    row = with_keys(row, ["answer_options"], where)
    options = tuple(map(str, row["answer_options"]))
    answer = row["answer"]
    if isinstance(answer, str) and answer.isdigit() and answer not in options:
        answer = int(answer)
    return Repeat("", "", options, place_of(answer, options, where), "")


def answer_of(row: Row, repeat: Repeat) -> str:
    """The text of a prediction; that of the option for its place."""
    prediction = row["prediction"]
    if isinstance(prediction, int) and 0 <= prediction < len(repeat.options):
        return repeat.options[prediction]
    return " ".join(prediction) if isinstance(prediction, list) else str(prediction)

"""DPG-Bench: pictures of dense prompts, by questions of which some rest on others.

Hu et al. 2024 (arXiv:2403.05135). The four pictures of a prompt are the fields of one file. Its
scorer writes each answer of its VQA model into a file `.._detail.txt`, and has two slips: it never
asks the first question of all, and its categories are those of the last field, with questions that
rest on a "no". Rows named `.._as_released` follow it, the others count all fields and no such
question; the first one counts if it has an answer.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from anygen.core.media import Image
from anygen.evaluation.suites.base import (
    Answered,
    Bench,
    Case,
    Line,
    Measure,
    Metric,
    Numbers,
    Outcome,
    Source,
    Unit,
)
from anygen.evaluation.suites.generation.output import MODES as OUTPUT_MODES
from anygen.evaluation.suites.generation.output import (
    Layout,
    Prompt,
    Rendered,
    collect,
    folders,
    request,
)
from anygen.evaluation.suites.generation.rows import (
    KINDS,
    has_control,
    measure_media,
    media_rows,
    shown_prompt,
)
from anygen.evaluation.suites.generation.scored import noted
from anygen.evaluation.suites.reading import in_form, in_order, only_file, read_csv
from anygen.io.media_files import write_media

UNIT = "prompt"
MODES = OUTPUT_MODES
MAKES_MEDIA = True
EXTRACTORS = KINDS["image"]
FILES = "dpg_bench.csv and the prompts as prompts/ITEM_ID.txt"
COLUMNS = (
    *("item_id", "proposition_id", "dependency", "category_broad"),
    "question_natural_language",
)
FIELDS = 4  # of a picture: two beside each other, below two others
ROW, CATEGORY, RELEASED = "dpg", "category_", "_as_released"
SCORER = f"run compute_dpg_bench.py on the folder {ROW}, with --pic-num {FIELDS}"
ANSWER = re.compile(r"(.+?), \((\d+), (\d+), \d+, \d+\), (.*), (.*)")  # of the scorer's file

Answers = Mapping[tuple[str, int], Mapping[str, bool]]  # (item, field) -> question -> yes


@dataclass(frozen=True)
class Proposition:
    question: str
    category: str
    parents: tuple[int, ...]


Propositions = Mapping[int, Proposition]


def read(source: Source) -> list[Unit]:
    """A unit for each prompt that has questions.

    Raises ValueError for a file in another layout, a prompt that is missing, and a question that
    rests on one that does not come before it.
    """
    folder = source.folder("dpg", FILES)
    path = only_file(folder, "*.csv", FILES)
    units = []
    for name, propositions in read_propositions(path).items():
        prompt = folder / "prompts" / f"{name}.txt"
        if not prompt.is_file():
            raise ValueError(f"there is no {prompt}; the suite dpg needs {FILES}")
        text = prompt.read_text(encoding="utf-8").strip()
        content = Prompt(text, source.mode, FIELDS, propositions)
        units.append(Unit(name, "prompts", (ROW,), content))
    return in_order(units)


def read_propositions(path: Path) -> dict[str, dict[int, Proposition]]:
    items: dict[str, dict[int, Proposition]] = {}
    for where, row in read_csv(path, COLUMNS):
        try:
            place = int(row["proposition_id"])
            parents = tuple(int(text) for text in row["dependency"].split(",") if int(text))
        except ValueError:
            raise ValueError(
                f"{where}: proposition_id and dependency are whole numbers, not "
                f"{row['proposition_id']!r} and {row['dependency']!r}"
            ) from None
        item = items.setdefault(row["item_id"], {})
        if unknown := [parent for parent in parents if parent not in item]:
            raise ValueError(f"{where}: rests on {unknown[0]}, which is not before it")
        item[place] = Proposition(row["question_natural_language"], row["category_broad"], parents)
    return items


def path_of(unit: Unit, number: int) -> str:
    return f"{unit.id}_{number}.png"


LAYOUT = Layout("dpg_fields", "image", path_of)
GRIDS = Layout(ROW, "image", lambda unit, number: f"{unit.id}.png")


def ask(unit: Unit, seed: int) -> list[Case]:
    return request(unit, "image")


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    rendered = collect(bench, answered, LAYOUT)
    for one in rendered:
        write_grids(bench, one)
    answers = {source: read_answers(folder) for source, folder in folders(bench, GRIDS)}
    return [score(bench, one, answers) for one in rendered]


def write_grids(bench: Bench, rendered: Rendered) -> None:
    """A field without a picture is black."""
    for source, media in rendered.media.items():
        pictures = [one for one in media if isinstance(one, Image)]
        if not pictures:
            continue
        path = GRIDS.folder(bench.out, source) / GRIDS.path(rendered.unit, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        black = torch.zeros_like(pictures[0].pixels)
        fields = [one.pixels if isinstance(one, Image) else black for one in media]
        rows = [torch.cat(fields[:2], 2), torch.cat(fields[2:], 2)]
        write_media(Image(torch.cat(rows, 1)), path)


def read_answers(folder: Path) -> Answers:
    """Of the scorer's newest file of answers, if any. Raises ValueError for another form."""
    files = sorted(folder.glob("*_detail.txt"), key=lambda path: path.stat().st_mtime)
    if not files:
        return {}
    answers: dict[tuple[str, int], dict[str, bool]] = {}
    with in_form(files[-1], "the form of compute_dpg_bench.py"):
        lines = files[-1].read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        match = ANSWER.fullmatch(line)
        if match is None:
            raise ValueError(f"{files[-1]}:{number}: is no answer of the scorer: {line[:60]!r}")
        path, left, top, question, answer = match.groups()
        field = (int(left) > 0) + 2 * (int(top) > 0)
        answers.setdefault((Path(path).stem, field), {})[question] = answer == "yes"
    return answers


def score(bench: Bench, rendered: Rendered, answers: Mapping[str, Answers]) -> Outcome:
    numbers: dict[str, Any] = dict(measure_media(bench, rendered, "image"))
    for source, own in answers.items():
        if own:
            for row, values in item_scores(rendered.unit, own).items():
                numbers.setdefault(row, {})[source] = values
    return Outcome({}, rendered.text, shown_prompt(rendered), media=rendered.shown, numbers=numbers)


def item_scores(unit: Unit, answers: Answers) -> dict[str, list[float]]:
    """By row: of each field for the whole, of each question for a category; in percent."""
    propositions: Propositions = unit.content.data
    rows: dict[str, list[float]] = {}
    for field in range(FIELDS):
        raw = raw_scores(propositions, answers.get((unit.id, field), {}))
        scores = without_orphans(propositions, raw)
        rows.setdefault(ROW, []).append(100 * sum(scores.values()) / max(1, len(scores)))
        for number, value in scores.items():
            rows.setdefault(row_of(propositions[number]), []).append(100 * value)
    for number, value in raw.items():  # of the last field
        rows.setdefault(f"{row_of(propositions[number])}{RELEASED}", []).append(100 * value)
    return rows


def row_of(proposition: Proposition) -> str:
    return f"{CATEGORY}{proposition.category}"


def raw_scores(propositions: Propositions, answers: Mapping[str, bool]) -> dict[int, float]:
    """Of the questions that were asked; all are "no" for a field that was not made."""
    return {
        number: float(answers.get(one.question, False))
        for number, one in propositions.items()
        if one.question in answers or not answers
    }


def without_orphans(propositions: Propositions, scores: Mapping[int, float]) -> dict[int, float]:
    """A question counts 0 if one that it rests on does; in order, so that this cascades."""
    found: dict[int, float] = {}
    for number, value in scores.items():
        is_orphan = any(found.get(parent) == 0 for parent in propositions[number].parents)
        found[number] = 0.0 if is_orphan else value
    return found


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    scored = [line["numbers"] for line in lines if ROW in line["numbers"]]
    if not scored:
        return noted(media_rows(lines), SCORER)
    plain = media_rows(lines)
    names = {key for numbers in scored for key in numbers}
    categories = sorted(name for name in names if name.startswith(CATEGORY))
    rows = {ROW: question_row(ROW, "answers of yes to the questions about a prompt", scored)}
    for name in categories:
        rows[name] = question_row(name, f"answers of yes, {name.removeprefix(CATEGORY)}", scored)
    return rows | plain


def question_row(row: str, about: str, numbers: Sequence[Numbers]) -> Metric:
    own = [one for one in numbers if row in one]
    figure = mean_of_prompts if row == ROW else mean_of_questions
    measure = Measure(
        (row,),
        partial(figure, row, "model"),
        lambda one: figure(row, "model", [one]),
        partial(figure, row, "control") if has_control(row, own) else None,
    )
    return Metric(about, measure=measure)


def mean_of_prompts(row: str, source: str, numbers: Sequence[Numbers]) -> float:
    values = [one[row][source] for one in numbers]
    return sum(sum(fields) / len(fields) for fields in values) / len(values)


def mean_of_questions(row: str, source: str, numbers: Sequence[Numbers]) -> float:
    """Over all questions of all prompts."""
    values = [value for one in numbers for value in one[row][source]]
    return sum(values) / len(values)

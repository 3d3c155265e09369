"""T2I-CompBench: pictures of attributes, relations, numbers and several of these at once.

Huang et al. 2023 (arXiv:2307.06350). A folder for each category, whose names of files its scorers
read the prompt and its place from; each of them writes a vqa_result.json.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from anygen.evaluation.suites.base import (
    Answered,
    Bench,
    Case,
    Line,
    Metric,
    Outcome,
    Source,
    Unit,
)
from anygen.evaluation.suites.generation.output import MODES as OUTPUT_MODES
from anygen.evaluation.suites.generation.output import Layout, Prompt, collect, request
from anygen.evaluation.suites.generation.rows import KINDS
from anygen.evaluation.suites.generation.scored import Scores, score_files, task_rows
from anygen.evaluation.suites.reading import read_json, with_keys

UNIT = "prompt"
MODES = OUTPUT_MODES
MAKES_MEDIA = True
EXTRACTORS = KINDS["image"]
CATEGORIES = (
    "color",
    "shape",
    "texture",
    "spatial",
    "3d_spatial",
    "non_spatial",
    "numeracy",
    "complex",
)
FILES = "a file of prompts for each category, such as color_val.txt"
FOLDERS = (".", "examples/dataset", "dataset")
SAMPLES = 10
ROW = "compbench"
RESULTS = "vqa_result.json"
JOINED = "3_in_1"  # of a complex prompt: the folder of the mean of three scorers
SCORER = f"run the scorer of each category on {ROW}/CATEGORY/, which writes {RESULTS} below it"
SEPARATORS = "_/"  # within a prompt they would end it, or be a folder


def read(source: Source) -> list[Unit]:
    """A unit for each prompt of the categories that are there."""
    folder = source.folder("compbench", FILES)
    units = []
    for category in CATEGORIES:
        paths = [folder / below / f"{category}_val.txt" for below in FOLDERS]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(filter(None, map(str.strip, lines))):
            content = Prompt(line, source.mode, SAMPLES, number)
            units.append(Unit(f"{category}/{number:03d}", category, (ROW, category), content))
    if not units:
        raise ValueError(f"{folder}: has no prompts; it needs {FILES}")
    return units


def path_of(unit: Unit, number: int) -> str:
    """The scorers sort by the last number, and read the prompt up to the first underscore."""
    prompt = unit.content.text.translate(str.maketrans(dict.fromkeys(SEPARATORS, " ")))
    place = unit.content.data * SAMPLES + number
    return f"{unit.task}/samples/{prompt}_{place:06d}.png"


LAYOUT = Layout(ROW, "image", path_of)


def ask(unit: Unit, seed: int) -> list[Case]:
    return request(unit, "image")


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    return score_files(bench, collect(bench, answered, LAYOUT), LAYOUT, ROW, read_results)


def read_results(folder: Path) -> Scores:
    """By sample. A question's number is the place of its picture among those that there are."""
    scores: dict[str, float] = {}
    for category in CATEGORIES:
        path = find_result(folder / category)
        if path is None:
            continue
        samples = sorted((folder / category / "samples").glob("*.png"), key=place_of)
        for row in read_json(path):
            row = with_keys(row, ["question_id", "answer"], str(path))
            place = int(row["question_id"])
            if not 0 <= place < len(samples):
                raise ValueError(f"{path}: scores {place}, of {len(samples)} samples")
            scores[samples[place].relative_to(folder).as_posix()] = float(row["answer"])
    return scores


def find_result(folder: Path) -> Path | None:
    """Raises ValueError if there are several, none of which is that of all three scorers."""
    found = sorted(folder.rglob(RESULTS))
    whole = [path for path in found if JOINED in path.as_posix()]
    if len(found) > 1 and len(whole) != 1:
        raise ValueError(f"{folder}: has {len(found)} files {RESULTS}; leave one of them there")
    return next(iter(whole or found), None)


def place_of(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    return task_rows(ROW, lines, "score of the category's scorer", SCORER, CATEGORIES)

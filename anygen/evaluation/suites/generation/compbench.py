"""T2I-CompBench: pictures of attributes, relations, numbers and several of these at once.

Huang et al. 2023 (arXiv:2307.06350). A folder for each category, whose names of files its scorers
read the prompt and its place from; each of them writes a vqa_result.json. Rows named
`compbench_owlv2..` follow the rules of places and numbers with another detector.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from anygen.core.media import Image
from anygen.evaluation.features.detector import Detect
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
from anygen.evaluation.suites.generation.compbench_rules import (
    LEAST,
    counted_parts,
    number_score,
    spatial_parts,
    spatial_score,
)
from anygen.evaluation.suites.generation.output import MODES as OUTPUT_MODES
from anygen.evaluation.suites.generation.output import Layout, Prompt, collect, request
from anygen.evaluation.suites.generation.rows import KINDS
from anygen.evaluation.suites.generation.scored import (
    Scores,
    detected_rows,
    score_files,
    task_rows,
    with_detections,
)
from anygen.evaluation.suites.reading import finite, read_json, with_keys

UNIT = "prompt"
MODES = OUTPUT_MODES
MAKES_MEDIA = True
EXTRACTORS = (*KINDS["image"], "owlv2")
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
    rendered = collect(bench, answered, LAYOUT)
    outcomes = score_files(bench, rendered, LAYOUT, ROW, read_results)
    return [
        with_detections(bench, one, outcome, ROW, partial(RULES[one.unit.task], one.unit))
        if one.unit.task in RULES
        else outcome
        for one, outcome in zip(rendered, outcomes)
    ]


def detected_place(unit: Unit, detect: Detect, picture: Image) -> float:
    """0 for a prompt of another form than "a cat on the left of a dog"."""
    parts = spatial_parts(unit.content.text)
    if parts is None:
        return 0.0
    first, relation, second = parts
    objects = detect(picture, [first, second], LEAST)
    surest = [next(iter(objects[name]), None) for name in (first, second)]
    return spatial_score(surest[0], surest[1], relation)


def detected_number(unit: Unit, detect: Detect, picture: Image) -> float:
    expected = counted_parts(unit.content.text)
    if not expected:
        return 0.0
    return number_score(expected, detect(picture, [name for name, _ in expected], LEAST))


RULES = {"spatial": detected_place, "numeracy": detected_number}


def read_results(folder: Path) -> Scores:
    """By sample. A question's number is that of its picture, or its place among those there are."""
    scores: dict[str, float] = {}
    for category in CATEGORIES:
        path = find_result(folder / category)
        if path is None:
            continue
        samples = sorted((folder / category / "samples").glob("*.png"), key=place_of)
        by_id = read_answers(path)
        by_number = by_question(samples, list(by_id), path)
        for number, score in by_id.items():
            scores[by_number[number].relative_to(folder).as_posix()] = score
    return scores


def read_answers(path: Path) -> dict[int, float]:
    """The scores by the numbers of the questions. Raises ValueError for another form."""
    rows = read_json(path)
    if not isinstance(rows, list):
        raise ValueError(f"{path}: holds no list of answers")
    rows = [with_keys(row, ["question_id", "answer"], str(path)) for row in rows]
    return {
        int(finite(row["question_id"], f"{path}: question_id")): finite(
            row["answer"], f"{path}: answer"
        )
        for row in rows
    }


def by_question(samples: Sequence[Path], numbers: Sequence[int], path: Path) -> dict[int, Path]:
    """The samples by the numbers of the questions about them: UniDet's are those of the files."""
    by_name = {place_of(sample): sample for sample in samples}
    if by_name.keys() >= set(numbers):
        return by_name
    if set(numbers) <= set(range(len(samples))):
        return dict(enumerate(samples))
    raise ValueError(f"{path}: scores {max(numbers)}, of {len(samples)} samples")


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
    rows = task_rows(ROW, lines, "score of the category's scorer", SCORER, CATEGORIES)
    return rows | detected_rows(ROW, lines, "score of places and numbers")

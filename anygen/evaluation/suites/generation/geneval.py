"""GenEval: pictures with the objects, counts, colours and positions that a prompt names.

Ghosh et al. 2023 (arXiv:2310.11513). The folder is that of its generation scripts; its
evaluate_images.py, which needs a GPU and a detector of its own, writes results.jsonl. Without it,
an OWLv2 model of the user finds objects, and CLIP names their colors; rows named `geneval_owlv2..`
follow the same rules and are no published scores.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from anygen.core.media import Image
from anygen.evaluation.features.detector import Detect, Found
from anygen.evaluation.features.extractors import Extractor
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
from anygen.evaluation.suites.generation.geneval_rules import (
    COLOR_PROMPTS,
    COLORS,
    LEAST,
    LEAST_COUNTED,
    is_right,
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
from anygen.evaluation.suites.reading import finite, in_form, only_file, read_rows

UNIT = "prompt"
MODES = OUTPUT_MODES
MAKES_MEDIA = True
EXTRACTORS = (*KINDS["image"], "owlv2")
FILE, RESULTS = "evaluation_metadata.jsonl", "results.jsonl"
TAGS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
SAMPLES = 4
ROW = "geneval"
SCORER = f"run evaluate_images.py on the folder {ROW}, with --outfile {ROW}/{RESULTS}"


def read(source: Source) -> list[Unit]:
    """A unit for each prompt. Raises ValueError for a file in another layout, or another tag."""
    path = only_file(source.folder("geneval", FILE), FILE, "the prompts of GenEval")
    units = []
    for number, row in enumerate(read_rows(path, "tag", "include", "prompt")):
        if row["tag"] not in TAGS:
            raise ValueError(f"{path}: the tag {row['tag']!r} is none of {', '.join(TAGS)}")
        content = Prompt(row["prompt"], source.mode, SAMPLES, row)
        units.append(Unit(f"{number:05d}", row["tag"], (ROW, row["tag"]), content))
    return units


def path_of(unit: Unit, number: int) -> str:
    return f"{unit.id}/samples/{number:04d}.png"


def texts_of(unit: Unit) -> Mapping[str, str]:
    return {f"{unit.id}/metadata.jsonl": json.dumps(unit.content.data) + "\n"}


LAYOUT = Layout(ROW, "image", path_of, texts_of)


def ask(unit: Unit, seed: int) -> list[Case]:
    return request(unit, "image")


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    rendered = collect(bench, answered, LAYOUT)
    outcomes = score_files(bench, rendered, LAYOUT, ROW, read_results)
    return [
        with_detections(bench, one, outcome, ROW, partial(is_detected, bench, one.unit))
        for one, outcome in zip(rendered, outcomes)
    ]


def is_detected(bench: Bench, unit: Unit, detect: Detect, picture: Image) -> bool:
    """Raises ValueError if a color is to be named and there is no CLIP."""
    row = unit.content.data
    names = sorted({one["class"] for one in (*row["include"], *row.get("exclude", ()))})
    objects = detect(picture, names, LEAST_COUNTED if unit.task == "counting" else LEAST)
    return is_right(row, objects, partial(color_of, bench.extractors.get("clip"), picture))


def color_of(clip: Extractor | None, picture: Image, name: str, found: Found) -> str:
    """The color whose texts are nearest to what the box shows."""
    if clip is None or clip.embed_texts is None:
        raise ValueError("GenEval's colors need --extractor clip=FOLDER beside owlv2")
    left, top, right, bottom = (max(0, round(value)) for value in found.box)
    pixels = picture.pixels[:, top : max(bottom, top + 1), left : max(right, left + 1)]
    [point] = clip.read(Image(pixels)).points
    texts = [text.format(color=color, name=name) for color in COLORS for text in COLOR_PROMPTS]
    cosines = (clip.embed_texts(texts) @ point).view(len(COLORS), len(COLOR_PROMPTS)).mean(1)
    return COLORS[int(cosines.argmax())]


def read_results(folder: Path) -> Scores:
    """1 for a sample that is right. Raises ValueError for a row without its file's name."""
    path = folder / RESULTS
    if not path.is_file():
        return {}
    with in_form(path, "the form of evaluate_images.py"):
        return {
            "/".join(Path(row["filename"]).parts[-3:]): finite(row["correct"], f"{path}: correct")
            for row in read_rows(path, "filename", "correct")
        }


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    about = "pictures that show what the prompt says"
    return task_rows(ROW, lines, about, SCORER, TAGS) | detected_rows(ROW, lines, about)

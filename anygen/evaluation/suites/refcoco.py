"""RefCOCO, RefCOCO+ and RefCOCOg: the box of what a phrase refers to.

Yu et al. 2016 (arXiv:1608.00272), in the JSON lines of shikra: `img_path`, `expression`, `bbox` as
x1, y1, x2, y2 in pixels. A box is right if its intersection over union with the true one is above
0.5. `--mode` says in which units the model answers; one is fixed for all, never the better of two.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from PIL import Image as Canvas

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
from anygen.evaluation.suites.reading import (
    find_medium,
    in_order,
    question,
    read_rows,
)

UNIT = "phrase"
MODES = ("share", "thousand", "pixels")
LAYOUT = "REC_*.jsonl of shikra and the pictures of train2014"
FOLDERS = ("train2014", "images")
NUMBER = r"\s*(-?\d+(?:\.\d+)?)\s*"
BOX = re.compile(rf"[\[(]{NUMBER},{NUMBER},{NUMBER},{NUMBER}[\])]")
REQUEST = "Where is {phrase} in the picture? Answer with the box [x1, y1, x2, y2] in {units}."
UNITS = {
    "share": "shares of the width and height, from 0 to 1",
    "thousand": "thousandths of the width and height, from 0 to 1000",
    "pixels": "pixels",
}
HIT = 0.5

Box = tuple[float, float, float, float]  # x1, y1, x2, y2


def read(source: Source) -> list[Unit]:
    """A unit for each phrase, a task for each file.

    Raises ValueError for files in another layout; pickles are not read, as they can run code.
    """
    folder = source.folder("refcoco", LAYOUT)
    paths = sorted(folder.glob("*.jsonl"))
    if not paths and (pickles := sorted(folder.glob("refs*.p"))):
        raise ValueError(f"{pickles[0]}: is a pickle, which could run code; it needs {LAYOUT}")
    if not paths:
        raise ValueError(f"{folder}: needs {LAYOUT}")
    return [unit for path in paths for unit in in_order(read_file(folder, path, source.mode))]


def read_file(folder: Path, path: Path, mode: str) -> list[Unit]:
    """Phrases have no id: it is the picture, with the box and the phrase."""
    units = []
    for row in read_rows(path, "img_path", "expression", "bbox"):
        box = tuple(map(float, row["bbox"]))
        if len(box) != 4 or not (box[0] < box[2] and box[1] < box[3]):
            raise ValueError(f"{path}: bbox {row['bbox']} is not x1, y1, x2, y2")
        picture = find_medium(folder, row["img_path"], FOLDERS)
        place = "-".join(f"{number:g}" for number in box)
        name = f"{path.stem}/{row['img_path']}/{place}/{row['expression']}"
        content = (picture, row["expression"], box, mode)
        units.append(Unit(name, path.stem, (path.stem,), content))
    return units


def ask(unit: Unit, seed: int) -> list[Case]:
    picture, phrase, _, mode = unit.content
    return [question(REQUEST.format(phrase=phrase, units=UNITS[mode]), picture)]


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    return [score(one.unit, one.texts[0]) for one in answered]


def score(unit: Unit, text: str | None) -> Outcome:
    """No box is wrong."""
    picture, _, gold, mode = unit.content
    box = find_box(text or "")
    overlap = 0.0 if box is None else intersection_over_union(in_pixels(box, picture, mode), gold)
    verdict = {"box": "none" if box is None else str(list(box)), "overlap": f"{overlap:.2f}"}
    return Outcome(
        {unit.task: {"model": (int(overlap > HIT), 1)}},
        text or "",
        {"box": str(list(gold))},
        verdict,
        unparsed=int(text is not None and box is None),
    )


def find_box(text: str) -> Box | None:
    """The first four numbers in brackets."""
    found = BOX.search(text)
    if found is None:
        return None
    x1, y1, x2, y2 = map(float, found.groups())
    return x1, y1, x2, y2


def in_pixels(box: Box, picture: Path, mode: str) -> Box:
    if mode == "pixels":
        return box
    width, height = size_of(picture)
    scale = 1 if mode == "share" else 1000
    x1, y1, x2, y2 = (number / scale for number in box)
    return x1 * width, y1 * height, x2 * width, y2 * height


@cache
def size_of(picture: Path) -> tuple[int, int]:
    with Canvas.open(picture) as canvas:
        return canvas.size


def intersection_over_union(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(0.0, width) * max(0.0, height)
    union = area(first) + area(second) - shared
    return shared / union if union else 0.0


def area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    tasks = dict.fromkeys(line["task"] for line in lines)
    return {task: Metric(f"phrases whose box is found, {task}") for task in tasks}

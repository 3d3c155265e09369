"""Captions of pictures, beside people's: CIDEr-D, BLEU-1 to BLEU-4 and ROUGE-L.

The formulas are those of pycocoevalcap. The tokenizer is ours (lower case, without punctuation)
instead of the Java program of the published scores, so the rows are named `.._simple`. METEOR and
SPICE need Java and are left out.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from anygen.evaluation.caption_metrics import (
    bleu,
    bleu_counts,
    cider_d,
    mean_percent,
    rouge_l,
    tokenized,
)
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
from anygen.evaluation.suites.reading import (
    find_medium,
    in_order,
    question,
    read_json,
    with_keys,
)

UNIT = "picture"
SPLITS = ("test", "val", "train", "restval")  # of a Karpathy file
LAYOUT = "captions*.json of COCO, or Karpathy's dataset_*.json, and the pictures in a folder"
FOLDERS = ("images", "val2014", "train2014", "val2017", "train2017", "flickr30k-images")
REQUEST = "Describe this picture in one sentence."
KEYS = ("answer", "references")


def read(source: Source) -> list[Unit]:
    """A unit for each picture that has captions.

    Raises ValueError for files in another layout, and for a picture that is missing.
    """
    folder = source.folder("captions", LAYOUT)
    units = []
    for name, file, captions in read_captions(folder, source.split or SPLITS[0]):
        content = (find_medium(folder, file, FOLDERS), captions)
        units.append(Unit(name, "captions", ("captions",), content))
    return in_order(units)


def read_captions(folder: Path, split: str) -> list[tuple[str, str, list[str]]]:
    """The id, the picture's file and the captions of each picture; a split only of Karpathy's."""
    files = [*folder.glob("captions*.json"), *folder.glob("dataset*.json")]
    if len(files) != 1:
        raise ValueError(f"{folder}: has {len(files)} files of captions; it needs {LAYOUT}")
    data = with_keys(read_json(files[0]), ["images"], str(files[0]))
    rows = from_coco if "annotations" in data else from_karpathy
    found = [one for one in rows(data, split, str(files[0])) if one[2]]
    if not found:
        raise ValueError(f"{files[0]}: has no captions of the split {split}")
    return found


def from_coco(data: Any, split: str, where: str) -> list[tuple[str, str, list[str]]]:
    captions: dict[Any, list[str]] = {}
    for row in data["annotations"]:
        row = with_keys(row, ["image_id", "caption"], where)
        captions.setdefault(row["image_id"], []).append(row["caption"])
    images = [with_keys(row, ["id", "file_name"], where) for row in data["images"]]
    return [(str(row["id"]), row["file_name"], captions.get(row["id"], [])) for row in images]


def from_karpathy(data: Any, split: str, where: str) -> list[tuple[str, str, list[str]]]:
    images = [with_keys(row, ["filename", "split", "sentences"], where) for row in data["images"]]
    return [
        (
            str(row.get("cocoid", row["filename"])),
            row["filename"],
            [sentence["raw"] for sentence in row["sentences"]],
        )
        for row in images
        if row["split"] == split
    ]


def ask(unit: Unit, seed: int) -> list[Case]:
    return [question(REQUEST, unit.content[0])]


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    return [score(one.unit, one.texts[0]) for one in answered]


def score(unit: Unit, text: str | None) -> Outcome:
    """An empty answer, or none, scores 0."""
    references = unit.content[1]
    return Outcome(
        {},
        text or "",
        {"captions": " / ".join(references)},
        numbers={"answer": (text or "").strip(), "references": references},
        unparsed=int(text is not None and not text.strip()),
    )


def prepared(score_all: Any, numbers: Sequence[Numbers]) -> Sequence[Any]:
    pairs = [(tokenized(row["answer"]), list(map(tokenized, row["references"]))) for row in numbers]
    return list(score_all(pairs))


def quality(numbers: Numbers) -> float:
    return rouge_l([(tokenized(numbers["answer"]), list(map(tokenized, numbers["references"])))])[0]


def metric(about: str, score_all: Any, value: Any) -> Metric:
    measure = Measure(KEYS, value, quality, prepare=partial(prepared, score_all))
    return Metric(about, measure=measure)


METRICS = {
    "cider_d_simple": metric("CIDEr-D, with our tokenizer", cider_d, mean_percent),
    **{
        f"bleu_{order}_simple": metric(
            f"BLEU-{order}, with our tokenizer", bleu_counts, partial(bleu, order)
        )
        for order in range(1, 5)
    },
    "rouge_l_simple": metric("ROUGE-L, with our tokenizer", rouge_l, mean_percent),
}


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    return METRICS

"""Captions of pictures, beside people's: CIDEr-D, BLEU-1 to BLEU-4, ROUGE-L and METEOR.

The formulas are those of pycocoevalcap. Rows named `.._simple` have a tokenizer of ours (lower
case, without punctuation). Where Java and pycocoevalcap are installed, there are also METEOR and
the rows of the published names, with the tokenizer of the published scores.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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
from anygen.evaluation.judges import caption_programs
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


Tokenize = Callable[[tuple[str, ...]], list[list[str]]]


def simple_tokenized(texts: tuple[str, ...]) -> list[list[str]]:
    return list(map(tokenized, texts))


def prepared(tokenize: Tokenize, score_all: Any, numbers: Sequence[Numbers]) -> Sequence[Any]:
    texts = tuple(text for row in numbers for text in (row["answer"], *row["references"]))
    tokens = iter(tokenize(texts))
    pairs = [(next(tokens), [next(tokens) for _ in row["references"]]) for row in numbers]
    return list(score_all(pairs))


def quality(numbers: Numbers) -> float:
    [value] = prepared(simple_tokenized, rouge_l, [numbers])
    return float(value)


def metric(about: str, tokenize: Tokenize, score_all: Any, value: Any) -> Metric:
    measure = Measure(KEYS, value, quality, prepare=partial(prepared, tokenize, score_all))
    return Metric(about, measure=measure)


FORMULAS: Mapping[str, tuple[str, Any, Any]] = {
    "cider_d": ("CIDEr-D", cider_d, mean_percent),
    **{f"bleu_{n}": (f"BLEU-{n}", bleu_counts, partial(bleu, n)) for n in range(1, 5)},
    "rouge_l": ("ROUGE-L", rouge_l, mean_percent),
}
METRICS = {
    f"{name}_simple": metric(f"{about}, with our tokenizer", simple_tokenized, *formula)
    for name, (about, *formula) in FORMULAS.items()
}
OFFICIAL = {
    name: metric(about, caption_programs.ptb_tokenized, *formula)
    for name, (about, *formula) in {
        **FORMULAS,
        "meteor": ("METEOR 1.5", caption_programs.meteor_statistics, caption_programs.meteor),
    }.items()
}


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    if caption_programs.are_installed():
        return METRICS | OFFICIAL
    first, metric = next(iter(METRICS.items()))
    note = f"METEOR and the figures of the published names need {caption_programs.NEEDED}"
    return {**METRICS, first: replace(metric, note=note)}

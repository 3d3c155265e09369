"""POPE: is a thing in the picture? Asked about things that are there, and about others.

Li et al. 2023 (arXiv:2305.10355); the figures are those of its evaluate.py. An answer is "no" if
the words of its first sentence hold No, no or not, and else "yes", even if it is empty; `unparsed`
counts those without any of these words or yes. The line `total` has the means over the splits. In
the mode `likelihood` the likelier one of Yes and No is the answer.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from anygen.evaluation.suites.base import (
    LIKELIHOOD,
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
    only_file,
    question,
    read_rows,
)

UNIT = "question"
WHOLE = "accuracy"
MODES = ("questions", LIKELIHOOD)
SPLITS = ("random", "popular", "adversarial")
LAYOUT = "coco_pope_{random,popular,adversarial}.json and the pictures of val2014"
FOLDERS = ("val2014", "images")
NO = {"No", "not", "no"}
OPPOSITE = {"yes": "no", "no": "yes"}


def read(source: Source) -> list[Unit]:
    """A unit for each line. Raises ValueError for files that are not in the published layout."""
    folder = source.folder("pope", LAYOUT)
    splits = [source.split] if source.split else SPLITS
    choices = ("Yes", "No") if source.mode == LIKELIHOOD else ()
    return [unit for split in splits for unit in in_order(read_split(folder, split, choices))]


def read_split(folder: Path, split: str, choices: Sequence[str]) -> list[Unit]:
    path = only_file(folder, f"*_pope_{split}.json", LAYOUT)
    units = []
    for row in read_rows(path, "question_id", "image", "text", "label"):
        if row["label"] not in OPPOSITE:
            raise ValueError(f"{path}: label {row['label']!r} is neither yes nor no")
        picture = find_medium(folder, row["image"], FOLDERS)
        content = (picture, row["text"], row["label"], choices)
        units.append(Unit(f"{split}/{row['question_id']}", split, (split,), content))
    return units


def ask(unit: Unit, seed: int) -> list[Case]:
    picture, text, _, choices = unit.content
    return [question(text, picture, choices=choices)]


def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    return [score(one.unit, one.texts[0]) for one in answered]


def score(unit: Unit, text: str | None) -> Outcome:
    """`text` is None without an answer, which counts as the wrong one."""
    gold = unit.content[2]
    answer = OPPOSITE[gold] if text is None else yes_or_no(text)
    unclear = text is not None and answer == "yes" and "yes" not in text.lower()
    return Outcome(
        {"accuracy": {"model": (int(answer == gold), 1)}},
        text or "",
        {"answer": gold},
        {"answer": answer},
        numbers={"split": unit.task, "gold": gold, "answer": answer},
        unparsed=int(unclear),
    )


def yes_or_no(text: str) -> str:
    words = text.split(".")[0].replace(",", "").split(" ")
    return "no" if NO & set(words) else "yes"


Pair = tuple[str, str]  # gold, answer
Counts = Mapping[Pair, int]


def precision(counts: Counts) -> float:
    """The share of answers "yes" that are right; 0 without any."""
    return counts["yes", "yes"] / max(1, counts["yes", "yes"] + counts["no", "yes"])


def recall(counts: Counts) -> float:
    """The share of things in pictures that are affirmed; 0 without any."""
    return counts["yes", "yes"] / max(1, counts["yes", "yes"] + counts["yes", "no"])


def f1(counts: Counts) -> float:
    both = precision(counts), recall(counts)
    return 2 * both[0] * both[1] / sum(both) if sum(both) else 0.0


def yes_share(counts: Counts) -> float:
    return (counts["yes", "yes"] + counts["no", "yes"]) / sum(counts.values())


def triples(numbers: Sequence[Numbers]) -> list[tuple[str, str, str]]:
    return [(row["split"], row["gold"], row["answer"]) for row in numbers]


def mean_of_splits(
    figure: Callable[[Counts], float], points: Sequence[tuple[str, str, str]]
) -> float:
    """In percent."""
    splits: dict[str, Counter[Pair]] = {}
    for (split, *pair), count in Counter(points).items():
        splits.setdefault(split, Counter())[pair[0], pair[1]] = count
    return 100 * sum(map(figure, splits.values())) / len(splits)


def metric(about: str, figure: Callable[[Counts], float], chance: float | None = None) -> Metric:
    measure = Measure(
        ("split", "gold", "answer"),
        partial(mean_of_splits, figure),
        lambda numbers: float(numbers["gold"] == numbers["answer"]),
        prepare=triples,
    )
    return Metric(about, measure=measure, chance=chance)


METRICS = {
    "accuracy": Metric("answers that are right", chance=50),
    "precision": metric("answers yes that are right", precision, 50),
    "recall": metric("things in pictures that are affirmed", recall, 50),
    "f1": metric("harmonic mean of precision and recall", f1, 50),
    "yes": metric("answers that are yes", yes_share),
}


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    return METRICS

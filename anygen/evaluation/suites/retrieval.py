"""Retrieval: the encoder's joint space, in which a picture finds its captions, and a caption it.

Asks nothing of the language model. A picture counts by the best of its captions. A rival that is
as near as the right one comes before it: otherwise an encoder that puts all in one place would be
perfect. Reads what the suite captions reads.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch

from anygen.evaluation.features.packing import packed, unpacked
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
from anygen.evaluation.suites.captions import FOLDERS, LAYOUT, read_captions
from anygen.evaluation.suites.captions import SPLITS as KARPATHY
from anygen.evaluation.suites.reading import find_medium, in_order
from anygen.io.media_files import read_media

UNIT = "picture"
SPLITS = KARPATHY
NEEDS_MODEL = True
PLACES = (1, 5, 10)
DIRECTIONS = {"image_to_text": "pictures", "text_to_image": "captions"}
KEYS = ("image", "texts")


def read(source: Source) -> list[Unit]:
    """A unit for each picture with its captions. Raises ValueError for files in another layout."""
    folder = source.folder("retrieval", LAYOUT)
    rows = tuple(f"{name}_r{place}" for name in DIRECTIONS for place in PLACES)
    units = []
    for name, file, captions in read_captions(folder, source.split or SPLITS[0]):
        content = (find_medium(folder, file, FOLDERS), captions)
        units.append(Unit(name, "retrieval", rows, content))
    return in_order(units)


def ask(unit: Unit, seed: int) -> list[Case]:
    return []


@torch.inference_mode()
def judge(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    """The embeddings; ranks depend on all of them and are computed for the figures.

    Raises ValueError if the encoder has no joint space of pictures and texts.
    """
    encoder = bench.anygen.model.encoder
    if not {"image", "text"} <= set(encoder.embeds):
        raise ValueError("the encoder of this model has no joint space of pictures and texts")
    outcomes = []
    for one in answered:
        picture, captions = one.unit.content
        image = encoder.embed([read_media(picture)]).float().cpu().numpy()
        texts = encoder.embed(captions).float().cpu().numpy()
        numbers = {"image": packed(image[0]), "texts": [packed(text) for text in texts]}
        outcomes.append(Outcome({}, truth={"captions": " / ".join(captions)}, numbers=numbers))
    return outcomes


def ranks(direction: str, numbers: Sequence[Numbers]) -> list[list[int]]:
    """For each picture: the rivals before its captions, or before it for each of its captions."""
    images_NE = unpacked([row["image"] for row in numbers])
    texts_TE = unpacked([text for row in numbers for text in row["texts"]])
    owners_T = np.repeat(np.arange(len(numbers)), [len(row["texts"]) for row in numbers])
    scores_NT = images_NE @ texts_TE.T
    if direction == "image_to_text":
        return [[rivals(row, owners_T == n)] for n, row in enumerate(scores_NT)]
    places = np.arange(len(numbers))
    found: list[list[int]] = [[] for _ in numbers]
    for owner, column in zip(owners_T, scores_NT.T):
        found[owner].append(rivals(column, places == owner))
    return found


def rivals(scores: np.ndarray, own: np.ndarray) -> int:
    """How many of the others are at least as near as the best of its own."""
    return int((scores[~own] >= scores[own].max()).sum())


def recall(place: int, found: Sequence[Sequence[int]]) -> float:
    """In percent."""
    hits = [rank < place for ranks_of_one in found for rank in ranks_of_one]
    return 100 * sum(hits) / len(hits)


def no_order(numbers: Numbers) -> float:
    """A picture alone has no rank."""
    return 0.0


def metric(direction: str, things: str, place: int) -> Metric:
    measure = Measure(KEYS, partial(recall, place), no_order, prepare=partial(ranks, direction))
    return Metric(f"{things} that find the right one among the first {place}", measure=measure)


METRICS = {
    f"{direction}_r{place}": metric(direction, things, place)
    for direction, things in DIRECTIONS.items()
    for place in PLACES
}


def figures(lines: Sequence[Line]) -> Mapping[str, Metric]:
    return METRICS

"""The rules of T2I-CompBench for places and numbers of detected objects.

As in its UniDet_eval: a place scores a quarter of each object's score and a half for the relation,
and 0 below one half; a number scores a half for each kind that is there and a half if it is exact.
Its relation "on top of" never scores, here it is "on the top of".
"""

import re
from collections.abc import Sequence

from anygen.evaluation.features.detector import Box, Found, Objects

LEAST = 0.3  # score of an object; ours, as the detector is another one
OVERLAP = 0.1  # of two boxes' union, beyond which a relation counts less
NEAR = 150.0  # pixels
SAME = 0.9  # of a box: more of it within another one of its kind is the same object
RELATIONS = {  # axis, and the sign of the second object's offset
    "on the left of": (0, 1),
    "on the right of": (0, -1),
    "on the top of": (1, 1),
    "on top of": (1, 1),
    "on the bottom of": (1, -1),
}
BESIDE = ("on side of", "next to", "near")
SPATIAL = re.compile(
    rf"(?:an?|the)\s+(.+?)\s+({'|'.join((*RELATIONS, *BESIDE))})\s+(?:an?|the)\s+(.+?)\.?", re.I
)
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
NUMBERS = {"a": 1, "an": 1} | {word: number for number, word in enumerate(WORDS, start=1)}
COUNTED = re.compile(rf"\b({'|'.join(NUMBERS)})\s+(.+?)(?=,|\band\b|\bwith\b|\.|$)", re.I)


def spatial_parts(prompt: str) -> tuple[str, str, str] | None:
    """The first object, the relation and the second object; None for a prompt of another form."""
    match = SPATIAL.fullmatch(prompt.strip())
    return None if match is None else (match[1], match[2].lower(), match[3])


def counted_parts(prompt: str) -> list[tuple[str, int]]:
    """The objects of a prompt with their numbers: "two cats and a dog"."""
    return [(name.strip(), NUMBERS[word.lower()]) for word, name in COUNTED.findall(prompt)]


def spatial_score(first: Found | None, second: Found | None, relation: str) -> float:
    """Of the surest objects of both names."""
    score = sum(0.25 * one.score for one in (first, second) if one is not None)
    if first is not None and second is not None:
        score += relation_score(first.box, second.box, relation) / 2
    return score if score >= 0.5 else 0.0


def relation_score(first: Box, second: Box, relation: str) -> float:
    """1 where it holds; less where the boxes overlap, or are not near."""
    offsets = [middle(second, axis) - middle(first, axis) for axis in (0, 1)]
    if relation in BESIDE:
        if min(map(abs, offsets)) < NEAR:
            return 1.0
        return NEAR / max(map(abs, offsets))
    axis, sign = RELATIONS[relation]
    if sign * offsets[axis] <= 0 or abs(offsets[axis]) <= abs(offsets[1 - axis]):
        return 0.0
    overlap = shared_area(first, second)
    share = overlap / (area(first) + area(second) - overlap)
    return 1.0 if share < OVERLAP else OVERLAP / share


def number_score(expected: Sequence[tuple[str, int]], objects: Objects) -> float:
    """The mean over the kinds of objects; 0 without any."""
    scores = []
    for name, number in expected:
        count = len(distinct(objects.get(name, ())))
        scores.append(0.5 * (count > 0) + 0.5 * (count == number))
    return sum(scores) / len(scores) if scores else 0.0


def distinct(found: Sequence[Found]) -> list[Found]:
    """Without those that lie within a surer one, or around it."""
    kept: list[Found] = []
    for one in found:
        if not any(is_same(one.box, other.box) for other in kept):
            kept.append(one)
    return kept


def is_same(first: Box, second: Box) -> bool:
    overlap = shared_area(first, second)
    return any(overlap > SAME * area(box) for box in (first, second))


def middle(box: Box, axis: int) -> float:
    return (box[axis] + box[axis + 2]) / 2


def area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def shared_area(first: Box, second: Box) -> float:
    sides = [
        max(0.0, min(first[axis + 2], second[axis + 2]) - max(first[axis], second[axis]))
        for axis in (0, 1)
    ]
    return sides[0] * sides[1]

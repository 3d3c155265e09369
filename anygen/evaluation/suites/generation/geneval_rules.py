"""The rules of GenEval: whether detected objects are those that a prompt names.

As in its evaluate_images.py: of each class the surest objects count, of a color those that are
classified so; a position is one beyond a tenth of both sizes; classes to exclude must be rarer than
a number.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from anygen.evaluation.features.detector import Box, Found, Objects

LEAST, LEAST_COUNTED = 0.3, 0.9  # scores of objects; the second where they are counted
NEAR = 0.1  # of both sizes: a smaller offset is no position
CLEAR = 0.5  # the share of an offset's length in a direction
COLORS = (
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "black",
    "white",
)
COLOR_PROMPTS = ("a photo of a {color} {name}", "a photo of a {color}-colored {name}")

NameColor = Callable[[str, Found], str]  # of an object of that class


def is_right(row: Mapping[str, Any], objects: Objects, name_color: NameColor) -> bool:
    """Whether all that is included is there, and nothing that is excluded."""
    groups: list[Sequence[Found] | None] = []
    for clause in row["include"]:
        found = find_group(clause, objects, name_color)
        if found is not None and "position" in clause:
            relation, target = clause["position"]
            others = groups[target]
            if others is None or not all(
                relation in positions(one.box, other.box) for one in found for other in others
            ):
                found = None
        groups.append(found)
    excluded = any(
        len(objects.get(one["class"], ())) >= one["count"] for one in row.get("exclude", ())
    )
    return None not in groups and not excluded


def find_group(
    clause: Mapping[str, Any], objects: Objects, name_color: NameColor
) -> Sequence[Found] | None:
    """The surest objects of a class; None if there are too few, or too few of the color."""
    name, count = clause["class"], clause["count"]
    found = objects.get(name, ())[:count]
    if len(found) < count:
        return None
    if "color" in clause:
        colors = [name_color(name, one) for one in found]
        if colors.count(clause["color"]) < count:
            return None
    return found


def positions(first: Box, second: Box) -> set[str]:
    """Where the first box is of the second one: `left of`, `right of`, `above`, `below`."""
    offsets, clear = [], []
    for axis in (0, 1):
        middle, other = ((box[axis] + box[axis + 2]) / 2 for box in (first, second))
        sizes = sum(abs(box[axis + 2] - box[axis]) for box in (first, second))
        offset = middle - other
        offsets.append(offset)
        clear.append(math.copysign(max(0.0, abs(offset) - NEAR * sizes), offset))
    length = math.hypot(*offsets)
    if not any(clear):
        return set()
    across, down = (value / length for value in clear)
    found = {
        "left of": across < -CLEAR,
        "right of": across > CLEAR,
        "above": down < -CLEAR,
        "below": down > CLEAR,
    }
    return {name for name, holds in found.items() if holds}

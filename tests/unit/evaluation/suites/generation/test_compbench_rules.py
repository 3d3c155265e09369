"""T2I-CompBench's scores of places and numbers, on boxes."""

import pytest

from anygen.evaluation.features.detector import Found
from anygen.evaluation.features.extractors import Extractor
from anygen.evaluation.suites.generation.compbench_rules import (
    counted_parts,
    number_score,
    relation_score,
    spatial_parts,
    spatial_score,
)
from support.generation_suites import Making, flat, write_compbench
from support.suites import results_of, values

LEFT, RIGHT, BELOW = (0, 0, 10, 10), (30, 0, 40, 10), (0, 40, 10, 50)


def test_a_place_is_worked_out():
    first, second = Found(0.8, LEFT), Found(0.6, RIGHT)
    assert spatial_score(first, second, "on the left of") == pytest.approx(0.85)
    assert spatial_score(first, second, "on the right of") == 0  # .35 is below one half
    assert spatial_score(first, None, "on the left of") == 0
    assert spatial_score(None, None, "near") == 0


@pytest.mark.parametrize(
    ("first", "second", "relation", "score"),
    [
        (LEFT, BELOW, "on the top of", 1),
        (LEFT, BELOW, "on top of", 1),
        (BELOW, LEFT, "on the bottom of", 1),
        (LEFT, BELOW, "on the left of", 0),
        (LEFT, (20, 30, 30, 40), "on the left of", 0),  # it is more below than beside
        (LEFT, LEFT, "next to", 1),
        ((0, 0, 10, 10), (300, 200, 310, 210), "near", 0.5),
        ((0, 0, 10, 10), (5, 0, 15, 10), "on the left of", 0.1 / (50 / 150)),
    ],
)
def test_a_relation_counts_less_where_boxes_overlap_or_are_far(first, second, relation, score):
    assert relation_score(first, second, relation) == pytest.approx(score)


def test_a_number_is_worked_out():
    objects = {"cat": [Found(0.9, LEFT), Found(0.8, RIGHT)], "dog": [Found(0.9, BELOW)]}
    assert number_score([("cat", 2), ("dog", 1)], objects) == 1
    assert number_score([("cat", 3), ("dog", 1)], objects) == 0.75
    assert number_score([("cat", 3), ("owl", 1)], objects) == 0.25
    assert number_score([], objects) == 0


def test_a_box_within_another_is_the_same_object():
    twice = {"cat": [Found(0.9, LEFT), Found(0.8, (1, 1, 9, 9)), Found(0.7, RIGHT)]}
    assert number_score([("cat", 2)], twice) == 1


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a cat on the left of a dog", ("cat", "on the left of", "dog")),
        ("A wooden chair next to the big oak.", ("wooden chair", "next to", "big oak")),
        ("a cake on top of an oven", ("cake", "on top of", "oven")),
        ("cats and dogs", None),
    ],
)
def test_a_prompt_about_places_is_read(prompt, parts):
    assert spatial_parts(prompt) == parts


def test_a_prompt_about_numbers_is_read():
    assert counted_parts("two cats and a red ball") == [("cats", 2), ("red ball", 1)]
    assert counted_parts("three apples, one pear with four owls.") == [
        ("apples", 3),
        ("pear", 1),
        ("owls", 4),
    ]
    assert counted_parts("some birds") == []


def test_pictures_are_judged_by_our_detector_under_its_own_name(tmp_path):
    """It finds a cat left of a dog, where both are sure by .8, in every second picture."""

    def detect(picture, names, least):
        is_even = int(picture.pixels[0, 0, 0]) % 2 == 0
        boxes = {"cat": LEFT, "dog": RIGHT} if is_even else {}
        return {name: [Found(0.8, boxes[name])] if name in boxes else [] for name in names}

    data = write_compbench(tmp_path / "data")
    network = {"owlv2": Extractor("tiny", "image", None, detect=detect)}
    model = Making(lambda text, n: [flat(n)])
    rows = values(results_of("compbench", data, model, tmp_path / "out", extractors=network))
    assert rows["compbench_owlv2_tiny"] == rows["compbench_owlv2_tiny_spatial"] == 45
    assert "compbench_owlv2_tiny_color" not in rows

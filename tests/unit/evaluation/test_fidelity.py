"""What right, wrong and missing pictures score in the figures that are computed from numbers."""

import random

import pytest
import torch
import torch.nn.functional as F

from anygen.core.media import Image
from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.results import measured
from anygen.evaluation.suites.base import Case
from anygen.evaluation.suites.world import cases
from anygen.evaluation.suites.world.fidelity import (
    ENOUGH,
    FRECHET,
    NEAREST,
    SHARPNESS,
    directions,
    look_numbers,
)
from anygen.evaluation.suites.world.scoring import score_medium
from mosit_data.world.pictures import render_picture
from mosit_data.world.scene import PictureScene


@pytest.fixture(scope="module")
def encoder(make_model):
    return make_model("encoder").encoder


@pytest.fixture(scope="module")
def scenes() -> list[PictureScene]:
    return [cases.picture(random.Random(i), i).scene for i in range(6)]


def blurred(image: Image) -> Image:
    small = F.adaptive_avg_pool2d(image.pixels[None].float(), 16)
    large = F.interpolate(small, image.pixels.shape[-2:], mode="bilinear")
    return Image(large[0].round().to(torch.uint8))


def noisy(image: Image) -> Image:
    noise = torch.randn(image.pixels.shape, generator=torch.Generator().manual_seed(0))
    return Image((image.pixels + 60 * noise).clamp(0, 255).to(torch.uint8))


def numbers_of(encoder, scenes, change):
    """Of answers that are changed true renders; the plain caption's are blurred."""
    rows = []
    for scene in scenes:
        true = render_picture(scene)
        media = {"model": change(true), "control": blurred(true), "true": true}
        found = {name: medium for name, medium in media.items() if medium is not None}
        rows.append(look_numbers(encoder, scene, found))
    return rows


def test_sharpness_is_that_of_true_renders(encoder, scenes):
    perfect = measured(SHARPNESS, numbers_of(encoder, scenes, lambda image: image))
    assert perfect["value"] == 100
    assert perfect["control"]["value"] < 20
    assert perfect["n"] == len(scenes)
    for change in (blurred, noisy):
        assert measured(SHARPNESS, numbers_of(encoder, scenes, change))["value"] < 20
    assert measured(SHARPNESS, numbers_of(encoder, scenes, lambda _: None))["value"] == 0


def test_a_true_render_has_no_distance_to_the_nearest_one(encoder, scenes):
    perfect = measured(NEAREST, numbers_of(encoder, scenes, lambda image: image))
    assert perfect["value"] == pytest.approx(0, abs=1)
    same = measured(NEAREST, numbers_of(encoder, scenes, blurred))
    assert same["value"] == 100
    rows = numbers_of(encoder, scenes, lambda _: None)
    assert not any(set(NEAREST.keys) <= row.keys() for row in rows)


def test_without_a_trunk_there_is_sharpness_alone(scenes):
    [row] = numbers_of(None, scenes[:1], blurred)
    assert set(row) == {"fine_model", "fine_control", "fine_true"}


def points(mean: float, seed: int) -> list[list[float]]:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(ENOUGH, 16, generator=generator) + mean).tolist()


@pytest.mark.parametrize(("model", "low", "high"), [(0.0, 0, 10), (2.0, 95, 105), (4.0, 350, 450)])
def test_the_frechet_distance_is_a_share_of_the_plain_captions(model, low, high):
    """The mean of the plain captions is off by 2; the distance grows with the square."""
    columns = [points(model, 1), points(2.0, 2), points(0.0, 3)]
    rows = [dict(zip(FRECHET.keys, row)) for row in zip(*columns)]
    assert low <= FRECHET.value(rows) <= high
    assert FRECHET.value(rows[:-1]) is None


def test_directions_are_orthonormal():
    assert torch.allclose(directions(100).T @ directions(100), torch.eye(16), atol=1e-5)


@pytest.mark.parametrize("make_case", [cases.counted_picture, cases.coloured_picture])
def test_counts_and_colours_of_true_renders_are_seen_and_of_others_not(make_case):
    """The answer is the true render, the control shows something else."""
    row = "picture_count" if make_case is cases.counted_picture else "picture_colour"
    wrong = Image(torch.full((3, 128, 128), 200, dtype=torch.uint8))
    judges = Judges()
    for index in range(8):
        case: Case = make_case(random.Random(index), index)
        media = {"model": render_picture(case.scene), "control": wrong, "nothing": None}
        scores = score_medium(judges, case, "", media, [row]).scores[row]
        assert scores["model"] == scores["judge"] == (1, 1)
        assert scores["control"] == scores["nothing"] == (0, 1)


def test_every_count_is_asked_for_in_turn():
    counts = [len(cases.counted_picture(random.Random(i), i).scene.things) for i in range(8)]
    assert counts == [1, 2, 3, 4, 1, 2, 3, 4]

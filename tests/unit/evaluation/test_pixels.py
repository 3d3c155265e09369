import pytest
import torch

from anygen.core.media import Image, Video
from anygen.evaluation.judges import pixels


def plain(side: int = 64, value: int = 200) -> Image:
    return Image(torch.full((3, side, side), value, dtype=torch.uint8))


def squares(*corners: tuple[int, int], side: int = 12, colour=(220, 20, 20)) -> Image:
    image = plain()
    for top, left in corners:
        image.pixels[:, top : top + side, left : left + side] = torch.tensor(colour)[:, None, None]
    return image


@pytest.mark.parametrize(
    ("image", "count"),
    [
        (plain(), 0),
        (squares((26, 26)), 1),
        (squares((10, 10), (10, 40)), 2),
        (squares((10, 10), (10, 26)), 1),  # four pixels between them
        (squares((5, 5), (5, 40), (40, 5), (40, 40)), 4),
        (squares((26, 26), side=6), 0),
    ],
)
def test_things_are_counted_that_are_apart_and_not_tiny(image, count):
    assert pixels.count_things(image) == count


def test_the_area_of_a_thing_is_its_share_of_the_picture():
    assert pixels.area(squares((20, 20), side=16)) == pytest.approx(16**2 / 64**2)


@pytest.mark.parametrize(
    ("rgb", "colour"),
    [
        ((220, 20, 20), "red"),
        ((250, 30, 60), "red"),
        ((240, 210, 40), "yellow"),
        ((40, 160, 60), "green"),
        ((40, 90, 220), "blue"),
        ((130, 50, 180), "purple"),
    ],
)
def test_a_thing_has_one_colour(rgb, colour):
    image = squares((20, 20), colour=rgb)
    shares = {name: pixels.colour_share(image, name) for name in pixels.HUES}
    assert shares == {name: float(name == colour) for name in pixels.HUES}


@pytest.mark.parametrize("rgb", [(120, 120, 120), (30, 5, 5)])
def test_grey_and_almost_black_things_have_no_colour(rgb):
    assert not any(pixels.colour_share(squares((9, 9), colour=rgb), c) for c in pixels.HUES)


def test_one_of_the_turned_hues_is_the_first_one_and_another_is_blue():
    first, *others = pixels.hue_turned(squares((20, 20)))
    assert torch.allclose(first.pixels.int(), squares((20, 20)).pixels.int(), atol=2)
    assert any(pixels.colour_share(image, "blue") == 1 for image in others)
    assert all(bool((image.pixels[:, 0] == 200).all()) for image in others)


def test_the_step_of_a_border_is_that_of_its_largest_change():
    frames = torch.full((4, 3, 16, 16), 100, dtype=torch.uint8)
    frames[:, :, 4:12, 4:12] = torch.randint(0, 255, (4, 3, 8, 8), dtype=torch.uint8)
    assert pixels.border_step(Video(frames, 8.0)) == 0
    frames[2] += 20
    assert pixels.border_step(Video(frames, 8.0)) == 20
    assert pixels.border_step(Video(frames[:1], 8.0)) == 0


def test_fine_power_is_that_of_waves_above_half_the_highest_frequency():
    """A wave of amplitude a has the power a^2 / 2."""
    places = torch.arange(64.0)
    for period, expected in [(2.5, 0.1**2 / 2), (8.0, 0.0)]:
        wave = 0.5 + 0.1 * torch.sin(2 * torch.pi * places * round(64 / period) / 64)
        image = Image((wave * 255).round().to(torch.uint8).expand(3, 64, 64).contiguous())
        assert pixels.fine_power(image, 64) == pytest.approx(expected, rel=0.05, abs=1e-5)


def test_an_enlarged_picture_has_little_fine_power():
    noise = torch.randint(0, 255, (3, 64, 64), generator=torch.Generator().manual_seed(0))
    image = Image(noise.to(torch.uint8))
    small = Image(image.pixels[:, ::2, ::2].contiguous())
    assert pixels.fine_power(small, 64) < 0.2 * pixels.fine_power(image, 64)

"""Pictures without a thing of the small world: textures, gradients, shapes, scribbles."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from PIL import Image as Canvas
from PIL import ImageDraw

from anygen.core.media import Image
from mosit_data.world.scene import Split

SIDE = 128  # pixels
Draw = Callable[[np.random.Generator, int], np.ndarray]  # (side, side, 3), float in [0, 1]


def picture(draw: Draw, rng: np.random.Generator) -> Image:
    """The picture of a family, of 64 to 128 pixels per side like those that people send."""
    return Image(as_pixels(draw(rng, int(rng.integers(SIDE // 2, SIDE + 1)))))


def as_pixels(levels_HWC: np.ndarray) -> torch.Tensor:
    """Levels (H, W, 3) in [0, 1] -> (3, H, W) uint8."""
    pixels = np.rint(levels_HWC.clip(0, 1) * 255).astype(np.uint8)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def fractal(rng: np.random.Generator, side: int) -> np.ndarray:
    """Noise whose power falls with frequency, as in natural scenes."""
    spectrum = np.fft.rfft2(rng.standard_normal((3, side, side)))
    frequencies = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    falling = spectrum / np.maximum(frequencies, 1 / side) ** rng.uniform(0.5, 2.2)
    levels = np.fft.irfft2(falling, (side, side))
    shared = levels[:1] + rng.uniform(0, 1) * levels  # channels that partly agree
    spread = shared / shared.std(axis=(1, 2), keepdims=True)
    return coloured(rng, spread.transpose(1, 2, 0) * 0.2)


def coloured(rng: np.random.Generator, levels_HWC: np.ndarray) -> np.ndarray:
    """Levels around a random colour."""
    return rng.uniform(0.2, 0.8, 3) + levels_HWC


def gradient(rng: np.random.Generator, side: int) -> np.ndarray:
    """From one colour to another, along a line or around a point."""
    y, x = grid(side)
    angle = rng.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    around = np.hypot(x - rng.uniform(-0.5, 0.5), y - rng.uniform(-0.5, 0.5))
    share = along if rng.random() < 0.5 else around
    share = ((share - share.min()) / np.ptp(share))[..., None]
    return rng.random(3) * share + rng.random(3) * (1 - share)


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates y (side, 1) and x (1, side) in [-1, 1]."""
    line = np.linspace(-1, 1, side)
    return line[:, None], line[None]


def waves(rng: np.random.Generator, side: int) -> np.ndarray:
    """A few plane waves of colours: stripes, ripples, moire."""
    y, x = grid(side)
    levels = np.zeros((side, side, 3))
    for _ in range(rng.integers(1, 6)):
        rate, angle, phase = rng.uniform(2, 40), rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        wave = np.sin(rate * (x * np.cos(angle) + y * np.sin(angle)) + phase)
        levels += wave[..., None] * rng.uniform(-0.3, 0.3, 3)
    return coloured(rng, levels)


def scribbles(rng: np.random.Generator, side: int) -> np.ndarray:
    """Crooked lines on paper, like handwriting."""
    canvas, pen = paper(rng, side)
    for _ in range(rng.integers(2, 12)):
        steps = rng.normal(0, side / 12, (rng.integers(4, 40), 2)).cumsum(0)
        points = steps + rng.uniform(0, side, 2)
        pen.line([tuple(p) for p in points], colour(rng), width=int(rng.integers(1, 5)))
    return np.asarray(canvas) / 255


def paper(rng: np.random.Generator, side: int) -> tuple[Canvas.Image, ImageDraw.ImageDraw]:
    canvas = Canvas.new("RGB", (side, side), colour(rng))
    return canvas, ImageDraw.Draw(canvas)


def colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def patches(rng: np.random.Generator, side: int) -> np.ndarray:
    """Fields of single textures side by side, like a view of a landscape or of a room."""
    borders = np.sort(rng.integers(0, side, rng.integers(1, 4)))
    levels = fractal(rng, side)
    for border in borders:
        edge = border + (np.cumsum(rng.normal(0, 1, side))).astype(int)
        below = np.arange(side)[:, None] > edge[None]
        levels = np.where(below[..., None], fractal(rng, side), levels)
    return levels if rng.random() < 0.5 else levels.transpose(1, 0, 2)


def shapes(rng: np.random.Generator, side: int) -> np.ndarray:
    """Polygons and ellipses that overlap."""
    canvas, pen = paper(rng, side)
    for _ in range(rng.integers(1, 9)):
        points = rng.uniform(0, side, (rng.integers(3, 7), 2))
        if rng.random() < 0.5:
            low, high = points[:2].min(0), points[:2].max(0)
            pen.ellipse([*low, *high], fill=colour(rng))
        else:
            pen.polygon([tuple(p) for p in points], fill=colour(rng))
    return np.asarray(canvas) / 255


def cells(rng: np.random.Generator, side: int) -> np.ndarray:
    """Each pixel in the colour of the nearest of some points (Voronoi)."""
    y, x = grid(side)
    points = rng.uniform(-1, 1, (rng.integers(5, 60), 2))
    squares = (x[..., None] - points[:, 0]) ** 2 + (y[..., None] - points[:, 1]) ** 2
    return rng.random((len(points), 3))[squares.argmin(-1)]


def tiles(rng: np.random.Generator, side: int) -> np.ndarray:
    """A chequered pattern of a few colours."""
    count = int(rng.integers(3, 13))
    colours = rng.random((int(rng.integers(2, 6)), 3))
    kinds = rng.integers(0, len(colours), (count, count))
    places = np.arange(side) * count // side
    return colours[kinds[places[:, None], places[None]]]


def blots(rng: np.random.Generator, side: int) -> np.ndarray:
    """Soft spots of light of many sizes."""
    y, x = grid(side)
    levels = np.zeros((side, side, 3))
    for _ in range(rng.integers(3, 25)):
        middle, radius = rng.uniform(-1, 1, 2), rng.uniform(0.05, 0.5)
        square = (x - middle[0]) ** 2 + (y - middle[1]) ** 2
        levels += np.exp(-square / radius**2)[..., None] * rng.uniform(-0.6, 0.6, 3)
    return coloured(rng, levels)


DRAWERS: Mapping[Split, tuple[Draw, ...]] = {
    "train": (fractal, gradient, waves, scribbles, patches),
    "heldout": (shapes, cells, tiles, blots),
}
FAMILIES: Mapping[Split, Mapping[str, Callable[[np.random.Generator], Image]]] = {
    split: {draw.__name__: partial(picture, draw) for draw in drawers}
    for split, drawers in DRAWERS.items()
}

"""Colours of things: artwork turned into another colour, as "a blue car" asks for.

Light and shade, outlines and what is nearly black stay, so that a blue car keeps its tyres. Artwork
with one dominant hue keeps its other hues, too: the leaf of a blue apple is green.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

NEAR = 45.0  # degrees: how far from the dominant hue a pixel may be and still take the new colour
VIVID = 0.25  # least saturation of a pixel that counts as coloured
DARK = (0.22, 0.38)  # pixels below the first value stay as they are, those above the second turn
DOMINANT = 0.55  # least share of a sprite's visible pixels near one hue, which is then dominant
BINS = 36


class Tint(NamedTuple):
    """A pixel's new hue, in degrees; saturation and value are offset + factor * old."""

    hue: float
    saturation: tuple[float, float]
    value: tuple[float, float]


TINTS: dict[str, Tint] = {
    "red": Tint(357, (0.45, 0.50), (0.12, 0.80)),
    "orange": Tint(28, (0.50, 0.45), (0.25, 0.75)),
    "yellow": Tint(50, (0.40, 0.50), (0.30, 0.70)),
    "green": Tint(128, (0.40, 0.40), (0.10, 0.72)),
    "blue": Tint(217, (0.40, 0.50), (0.15, 0.78)),
    "purple": Tint(276, (0.38, 0.42), (0.12, 0.74)),
    "pink": Tint(336, (0.25, 0.22), (0.40, 0.60)),
    "brown": Tint(24, (0.45, 0.30), (0.06, 0.50)),
    "black": Tint(240, (0.0, 0.08), (0.02, 0.24)),
    "white": Tint(210, (0.0, 0.05), (0.52, 0.48)),
}


def recolour(artwork: Bytes, colour: str) -> Bytes:
    """Artwork (H, W, 4), RGBA, in another colour of the vocabulary."""
    tint = TINTS[colour]
    shares = np.divide(artwork[..., :3], 255, dtype=np.float32)
    hue, saturation, value = hue_saturation_value(shares)
    share = ramp(value, *DARK)
    dominant = dominant_hue(hue, saturation, value, artwork[..., 3] > 128)
    if dominant is not None:
        share *= ramp(saturation, 0.0, VIVID) * (1 - ramp(distance(hue, dominant), NEAR, NEAR + 20))
    coloured = rgb(
        np.full_like(hue, tint.hue),
        np.clip(tint.saturation[0] + tint.saturation[1] * saturation, 0, 1),
        np.clip(tint.value[0] + tint.value[1] * value, 0, 1),
    )
    share = share[..., None]
    mixed = share * coloured * 255 + (1 - share) * artwork[..., :3]
    return np.concatenate([mixed.round().astype(np.uint8), artwork[..., 3:]], axis=-1)


def dominant_hue(
    hue: Floats, saturation: Floats, value: Floats, visible: NDArray[np.bool_]
) -> float | None:
    """The hue that is near that of most visible pixels; None if there is no such hue."""
    vivid = visible & (saturation > VIVID) & (value > DARK[0])
    bins = (hue / 360 * BINS).astype(int) % BINS
    histogram = np.bincount(bins[vivid], saturation[vivid], BINS)
    smooth = histogram + np.roll(histogram, 1) + np.roll(histogram, -1)
    middle = (int(smooth.argmax()) + 0.5) * 360 / BINS
    near = vivid & (distance(hue, middle) < NEAR)
    return middle if near.sum() >= DOMINANT * visible.sum() else None


def ramp(values: Floats, start: float, end: float) -> Floats:
    """0 up to `start`, 1 from `end` on."""
    return np.clip((values - start) / (end - start), 0, 1)


def distance(hue: Floats, other: float) -> Floats:
    """Degrees between hues, at most 180."""
    return np.abs((hue - other + 180) % 360 - 180)


def hue_saturation_value(picture: Floats) -> tuple[Floats, Floats, Floats]:
    """(H, W, 3) in [0, 1] -> hue in degrees, saturation and value in [0, 1], each (H, W)."""
    red, green, blue = np.moveaxis(picture, -1, 0)
    value = picture.max(-1)
    extent = np.maximum(value - picture.min(-1), 1e-6)
    hue = np.where(
        value == red,
        (green - blue) / extent % 6,
        np.where(value == green, (blue - red) / extent + 2, (red - green) / extent + 4),
    )
    return hue * 60, (value - picture.min(-1)) / np.maximum(value, 1e-6), value


def rgb(hue: Floats, saturation: Floats, value: Floats) -> Floats:
    """The inverse of `hue_saturation_value`: (H, W) each -> (H, W, 3)."""
    planes = []
    for shift in (5, 3, 1):
        place = (shift + hue / 60) % 6
        planes.append(value - value * saturation * np.clip(np.minimum(place, 4 - place), 0, 1))
    return np.stack(planes, axis=-1)

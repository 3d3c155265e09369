"""What pixels show without a network: where the thing is, its colour, how many there are.

A thing is what differs from the picture's outermost pixels, so all of this holds for things on a
background of one colour. Thresholds are in steps of 255, as in `mosit_data.world`.

T frames, H x W pixels, P outermost pixels, N pixels of the thing.
"""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image as Canvas
from torch import Tensor

from anygen.core.media import Image, Video

BORDER_STEP = 12  # a background that changes by less from frame to frame holds still
CONTRAST = 40  # a pixel that differs by more from the background belongs to the thing
# Hues in degrees, from and below; red goes around 360. Orange, brown and pink overlap with others.
HUES: dict[str, tuple[int, int]] = {
    "red": (330, 20),
    "yellow": (38, 70),
    "green": (68, 170),
    "blue": (175, 255),
    "purple": (250, 325),
}
VIVID, BRIGHT = 75, 64  # the least saturation and value of a pixel that has a hue
COLOURED = 0.3  # the least share of a thing's pixels that give it a colour
NEAR = 5  # pixels: the side of the square in which parts of a thing belong together
SMALLEST = 40  # pixels of a thing that counts
TURNS = 12  # of the hue around the circle


def border(frames_TCHW: Tensor) -> Tensor:
    """(T, 3, P): the outermost pixels of each frame."""
    frames = frames_TCHW.float()
    sides = (frames[:, :, 0], frames[:, :, -1], frames[:, :, 1:-1, 0], frames[:, :, 1:-1, -1])
    return torch.cat(sides, 2)


def border_step(video: Video) -> float:
    """The largest mean change of the border from one frame to the next, of 255."""
    steps = border(video.frames).diff(dim=0).abs().mean((1, 2))
    return float(steps.max()) if len(steps) else 0.0


def find_thing(image: Image) -> np.ndarray:
    """(H, W), true where a picture shows something else than its background."""
    pixels = image.pixels.permute(1, 2, 0).numpy().astype(float)
    background = np.median(border(image.pixels[None])[0].numpy(), axis=1)
    found: np.ndarray = np.abs(pixels - background).max(-1) > CONTRAST
    return found


def area(image: Image) -> float:
    """The share of the picture that its things cover."""
    return float(find_thing(image).mean())


def colour_share(image: Image, colour: str) -> float:
    """The share of the thing's pixels that have a colour of HUES; 0 without a thing."""
    hue_N, saturation_N, value_N = to_hsv(image)[find_thing(image)].T.astype(float)
    if not len(hue_N):
        return 0.0
    degrees_N, (low, high) = hue_N * 360 / 255, HUES[colour]
    within_N = (degrees_N - low) % 360 < (high - low) % 360
    return float((within_N & (saturation_N > VIVID) & (value_N > BRIGHT)).mean())


def main_colour(image: Image) -> str:
    """The colour of most of the thing; `none` if no colour has COLOURED of it."""
    shares = {colour: colour_share(image, colour) for colour in HUES}
    colour = max(shares, key=shares.__getitem__)
    return colour if shares[colour] >= COLOURED else "none"


def to_hsv(image: Image) -> np.ndarray:
    """(H, W, 3) uint8."""
    return np.array(Canvas.fromarray(image.pixels.permute(1, 2, 0).numpy()).convert("HSV"))


def hue_turned(image: Image) -> list[Image]:
    """The picture with the hue of its thing turned around the circle, in TURNS steps.

    Judges know things in their usual colours only: one of these is near to it.
    """
    hsv, mask = to_hsv(image), find_thing(image)
    rotated = []
    for turn in range(TURNS):
        shifted = hsv.copy()
        shifted[mask, 0] += np.uint8(turn * 256 // TURNS)  # wraps around
        canvas = Canvas.frombytes("HSV", mask.shape[::-1], shifted.tobytes())
        rgb = np.array(canvas.convert("RGB"))
        rotated.append(Image(torch.from_numpy(rgb).permute(2, 0, 1).contiguous()))
    return rotated


def count_things(image: Image) -> int:
    """How many things a picture shows: parts that are near to each other are one."""
    mask = torch.from_numpy(find_thing(image))[None, None].float()
    near = F.max_pool2d(mask, NEAR, 1, NEAR // 2)
    labels = torch.arange(1.0, mask.numel() + 1).view_as(mask) * near
    while not torch.equal(labels, wider := F.max_pool2d(labels, 3, 1, 1) * near):
        labels = wider
    _, areas = labels[mask > 0].unique(return_counts=True)
    return int((areas >= SMALLEST).sum())


def fine_power(image: Image, side: int) -> float:
    """The power above half the Nyquist frequency of a picture of `side` x `side` pixels.

    Per pixel, of its brightness in [0, 1]. A picture of another size is resampled first, so that
    an enlarged one has little.
    """
    pixels = image.pixels[None].float() / 255
    if pixels.shape[-2:] != (side, side):
        pixels = F.interpolate(pixels, (side, side), mode="bicubic", antialias=True)
    spectrum = torch.fft.fft2(pixels.mean((0, 1)), norm="ortho")
    cycles = torch.fft.fftfreq(side)  # per pixel; Nyquist's is 1 / 2
    fine = cycles[:, None].square() + cycles.square() > 0.25**2
    return float(spectrum.abs().square()[fine].sum()) / side**2

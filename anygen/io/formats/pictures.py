"""Reads pictures and animations with Pillow.

Pictures have at most 100 megapixels. Animations (GIF, WebP, PNG, AVIF) are sampled to 64 evenly
spaced frames with a long side of at most 512 pixels, and have at most a gigapixel in all. The
frames of an animation and the scans of a progressive JPEG are counted before they are decoded,
since a small file may have very many.
"""

from __future__ import annotations

import bisect
import os
from functools import partial
from itertools import count
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image as PILImage
from PIL import ImageOps
from torch import Tensor

from anygen.core.media import Image, Video
from anygen.io.formats.errors import MediaError
from anygen.io.formats.sampling import MAX_FRAMES, limited_size, middles

MAX_PIXELS = 100_000_000
MAX_BYTES = 500_000_000  # some of Pillow's readers take the whole file into memory
MAX_WORK = 1_000_000_000  # pixels of all frames of an animation
FRAME_WORK = 20_000  # pixels that take as long to decode as the overhead of one frame
MAX_SCAN_WORK = 10_000_000_000  # pixels of all scans of a JPEG: about 20 seconds
ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")  # further pictures in TIFF and JPEG are pages


def read_picture(stream: BinaryIO, name: str, form: str) -> Image | Video:
    picture = open_picture(stream, name, form)
    if picture.format in ANIMATED and getattr(picture, "is_animated", False):
        return _read_animation(picture, name)
    if form == "JPEG":
        _refuse_many_scans(stream, picture.width * picture.height, name)
    picture.load()
    ImageOps.exif_transpose(picture, in_place=True)
    return to_image(picture)


def to_image(picture: PILImage.Image) -> Image:
    """Converts a picture of Pillow; transparent pixels become white."""
    return Image(_pixels(_rgb(picture)))


def open_picture(stream: BinaryIO, name: str, form: str) -> PILImage.Image:
    """Reads the header but no pixels. `form` is Pillow's name of the format."""
    if stream.seek(0, os.SEEK_END) > MAX_BYTES:
        raise MediaError(f"{name}: a picture of more than {MAX_BYTES // 10**6} MB is not read")
    stream.seek(0)
    try:
        picture = PILImage.open(stream, formats=(form,))
    except PILImage.DecompressionBombError:
        raise _too_large(name) from None
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_large(name)
    return picture


def _too_large(name: str) -> MediaError:
    return MediaError(f"{name}: has more than {MAX_PIXELS // 10**6} megapixels")


def _refuse_many_scans(stream: BinaryIO, pixels: int, name: str) -> None:
    """Every scan of a progressive JPEG decodes all pixels; a small file can have thousands."""
    place = stream.tell()
    stream.seek(0)
    scans = sum(block.count(b"\xff\xda") for block in iter(partial(stream.read, 2**20), b""))
    stream.seek(place)
    if scans * pixels > MAX_SCAN_WORK:
        raise MediaError(f"{name}: has too many scans for a picture of this size")


def _rgb(picture: PILImage.Image) -> PILImage.Image:
    """Converts any mode to RGB: more than 8 bits are scaled down, transparency becomes white."""
    if picture.mode.startswith("I;16"):  # Pillow's conversion would clip it at 255
        return _grey(np.asarray(picture) // 257)
    if picture.mode in ("I", "F"):  # 32 bits have no standard value for white
        return _grey(_stretched(np.asarray(picture)))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        opaque = PILImage.new("RGB", picture.size, "white")
        opaque.paste(picture, mask=picture.getchannel("A"))
        return opaque
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _grey(values: np.ndarray) -> PILImage.Image:
    return PILImage.fromarray(values.astype(np.uint8)).convert("RGB")


def _stretched(values: np.ndarray) -> np.ndarray:
    """Scales finite values to 0 to 255; all others become black."""
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros_like(values)
    low, high = float(values[finite].min()), float(values[finite].max())
    return np.where(finite, (values - low) / max(high - low, 1e-30) * 255, 0)


def _pixels(picture: PILImage.Image) -> Tensor:
    """An RGB picture as (3, H, W) uint8."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def _read_animation(picture: PILImage.Image, name: str) -> Video:
    starts, end = _frame_times(picture, name)
    kept = min(MAX_FRAMES, len(starts))
    size = limited_size(picture.width, picture.height)
    frames = []
    for moment in middles(0.0, end, kept):
        picture.seek(bisect.bisect_right(starts, moment) - 1)
        frames.append(_pixels(_rgb(picture).resize(size, PILImage.Resampling.BOX)))
    return Video(torch.stack(frames), kept / end)


def _frame_times(picture: PILImage.Image, name: str) -> tuple[list[float], float]:
    """The start of each frame, and the end of the last one, in seconds."""
    starts: list[float] = []
    clock = 0.0
    work = picture.width * picture.height + FRAME_WORK
    for index in count():
        try:
            picture.seek(index)
        except EOFError:
            return starts, clock
        if index * work > MAX_WORK:
            raise MediaError(f"{name}: this animation is too long for its size")
        picture.load()
        starts.append(clock)
        clock += (picture.info.get("duration") or 100) / 1000  # ms; 0 means 100, as in browsers
    raise AssertionError("count() is infinite")

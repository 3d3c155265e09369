"""What a medium looks like in a terminal: half blocks, a contact strip, a waveform."""

from __future__ import annotations

import os
from typing import TextIO

import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool1d, interpolate

from anygen.media import Audio, Image, Media, Video

STRIP_FRAMES = 4
LEVELS = "▁▂▃▄▅▆▇█"


def preview(media: Media, columns: int, color: bool) -> str:
    """Lines at most `columns` wide; one plain line such as `[image 64x64]` without `color`."""
    if not color:
        return f"[{describe(media)}]"
    match media:
        case Image():
            return half_blocks(media.pixels, columns)
        case Video():
            return half_blocks(contact_strip(media.frames), columns)
        case Audio():
            return f"{waveform(media, columns - 8)} {media.seconds:.1f} s"


def takes_color(stream: TextIO) -> bool:
    """Whether escape codes may be written: a terminal, and no NO_COLOR in the environment."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def describe(media: Media) -> str:
    """`image 64x64`, `audio 2.0 s, 16000 Hz`, `video 64x64, 2.0 s, with sound`."""
    match media:
        case Image():
            return f"image {_size(media.pixels)}"
        case Audio():
            return f"audio {media.seconds:.1f} s, {media.rate} Hz"
        case Video():
            sound = ", with sound" if media.audio else ""
            return f"video {_size(media.frames)}, {media.seconds:.1f} s{sound}"


def _size(pixels: Tensor) -> str:
    return f"{pixels.shape[-1]}x{pixels.shape[-2]}"


def half_blocks(pixels: Tensor, columns: int) -> str:
    """(3, H, W) uint8 as lines of ▀: each character is two pixels, the upper in its own colour."""
    _, height, width = pixels.shape
    columns = max(1, min(columns, width))
    rows = max(1, round(columns * height / width / 2))
    small = interpolate(pixels[None].float(), (2 * rows, columns), mode="area")[0]
    cells = small.round().int().reshape(3, rows, 2, columns).permute(1, 3, 2, 0).tolist()
    return "\n".join("".join(_cell(*cell) for cell in row) + "\x1b[0m" for row in cells)


def _cell(upper: list[int], lower: list[int]) -> str:
    foreground, background = (";".join(map(str, color)) for color in (upper, lower))
    return f"\x1b[38;2;{foreground}m\x1b[48;2;{background}m▀"


def contact_strip(frames: Tensor) -> Tensor:
    """(T, 3, H, W) -> (3, H, about 4 W): four frames even in time, side by side."""
    moments = torch.linspace(0, len(frames) - 1, STRIP_FRAMES).round().int().tolist()
    gap = torch.zeros_like(frames[0, :, :, : max(1, frames.shape[-1] // 32)])
    pieces = [piece for moment in moments for piece in (gap, frames[moment])]
    return torch.cat(pieces[1:], dim=-1)


def waveform(audio: Audio, columns: int) -> str:
    """How loud the sound is over time, relative to its loudest moment."""
    loudness = audio.samples.abs().amax(dim=0)  # (N,)
    peaks = adaptive_max_pool1d(loudness[None], max(1, columns))[0]  # (columns,)
    levels = peaks / peaks.max().clamp(min=1e-4) * (len(LEVELS) - 1)
    return "".join(LEVELS[level] for level in levels.round().int().tolist())

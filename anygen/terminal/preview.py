"""Previews of media in a terminal: a picture, a contact strip of a video, a waveform."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool1d

from anygen.core.media import Audio, Image, Media, Video
from anygen.terminal.graphics import RAMP, draw

STRIP_FRAMES = 4
LEVELS = "▁▂▃▄▅▆▇█"


def preview(media: Media, columns: int, graphics: str) -> str:
    """Lines at most `columns` wide, drawn with one of `graphics.BACKENDS`.

    The backend `none` gives one plain line such as `[image 64x64]`.
    """
    if graphics == "none":
        return f"[{describe(media)}]"
    match media:
        case Image():
            return draw(media.pixels, graphics, columns)
        case Video():
            return draw(contact_strip(media.frames), graphics, columns)
        case Audio():
            duration = f" {media.seconds:.1f} s"
            duration = duration if len(duration) < columns else ""
            levels = RAMP if graphics == "ascii" else LEVELS
            return waveform(media, columns - len(duration), levels) + duration


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


def contact_strip(frames: Tensor) -> Tensor:
    """(T, 3, H, W) -> (3, H, about 4 W): four evenly spaced frames side by side."""
    indices = torch.linspace(0, len(frames) - 1, STRIP_FRAMES).round().int().tolist()
    gap = torch.zeros_like(frames[0, :, :, : max(1, frames.shape[-1] // 32)])
    pieces = [piece for index in indices for piece in (gap, frames[index])]
    return torch.cat(pieces[1:], dim=-1)


def waveform(audio: Audio, columns: int, levels: str = LEVELS) -> str:
    """The loudness of a sound over time, relative to its loudest moment."""
    loudness = audio.samples.abs().amax(dim=0)  # (N,)
    peaks = adaptive_max_pool1d(loudness[None], max(1, columns))[0]  # (columns,)
    heights = peaks / peaks.max().clamp(min=1e-4) * (len(levels) - 1)
    return "".join(levels[height] for height in heights.round().int().tolist())

"""Media as the tensors of a pipeline, and back."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from anygen.core.media import Audio, Image, Media, Video
from anygen.core.modality import MediaModality
from decoders.parts.limits import require_finite
from decoders.parts.pictures import resample_frames


def to_floats(media: Sequence[Any], size: tuple[int, int], frames: int = 1) -> Tensor:
    """Images (B, 3, H, W) or videos (B, frames, 3, H, W) in [0, 1], squeezed into the size."""
    if isinstance(media[0], Image):
        return torch.cat([resized(image.pixels[None], size) for image in media])
    return torch.stack([resized(resample_frames(video, frames), size) for video in media])


def resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, 3, h, w) uint8 -> (N, 3, H, W) in [0, 1]."""
    scaled = F.interpolate(pixels.float(), size, mode="bicubic", antialias=True)
    return scaled.clamp(0, 255) / 255


def to_medium(output: Tensor, modality: MediaModality, rate: float) -> Media:
    """From pixels (..., 3, H, W) in [0, 1], or samples (N,) or (C, N).

    Raises ValueError if one is not finite.
    """
    values = require_finite(output.float())
    if modality == "audio":
        samples = values.cpu().clamp(-1, 1)
        return Audio(samples[None] if samples.ndim == 1 else samples, int(rate))
    pixels = (values.clamp(0, 1) * 255).round().byte().cpu()
    return Image(pixels) if modality == "image" else Video(pixels, rate)

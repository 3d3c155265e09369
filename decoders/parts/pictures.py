"""Images and frames as the input of autoencoders, and back."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from anygen.core.media import Video
from decoders.parts.limits import require_finite


def to_pictures(frames: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Frames (3, H, W) uint8 of any size -> (B, 3, height, width) in [-1, 1], squeezed into it."""
    rows = [frame[None].float() for frame in frames]
    scaled = [F.interpolate(row, size, mode="bicubic", antialias=True) for row in rows]
    return torch.cat(scaled).clamp(0, 255) / 127.5 - 1


def to_uint8(pictures: Tensor) -> Tensor:
    """(..., 3, H, W) in [-1, 1] -> uint8 on the CPU. Raises ValueError if one is not finite."""
    return ((require_finite(pictures.float()).clamp(-1, 1) + 1) * 127.5).round().byte().cpu()


def resample_frames(video: Video, frames: int) -> Tensor:
    """Exactly `frames` of the video's frames, evenly spaced from the first to the last."""
    return video.frames[torch.linspace(0, len(video.frames) - 1, frames).round().long()]

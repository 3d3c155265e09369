"""Pictures and frames as the numbers that autoencoders work on, and back."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from anygen.core.media import Video


def to_pictures(frames: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """(3, any H, any W) uint8 each -> (B, 3, height, width) in [-1, 1], squeezed into the size."""
    rows = [frame[None].float() for frame in frames]
    fitted = [F.interpolate(row, size, mode="bicubic", antialias=True) for row in rows]
    return torch.cat(fitted).clamp(0, 255) / 127.5 - 1


def to_uint8(pictures: Tensor) -> Tensor:
    """(..., 3, H, W) in [-1, 1] -> uint8 on the CPU."""
    return ((pictures.float().clamp(-1, 1) + 1) * 127.5).round().byte().cpu()


def spread(video: Video, frames: int) -> Tensor:
    """Exactly `frames` of the video's frames, uniform in time."""
    return video.frames[torch.linspace(0, len(video.frames) - 1, frames).round().long()]

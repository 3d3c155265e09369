"""How a small U-Net gets its condition, in addition to cross-attention.

With cross-attention alone it learns backgrounds long before objects, because nothing indicates
where a shape belongs in the image. B rows, T tokens, W width, K channels.
"""

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from pydantic import PositiveInt
from torch import Tensor, nn

from anygen.core.schema import Strict
from decoders.base import pooled_condition

# Pooled tokens of captions differ little; larger initial weights separate them sooner.
CONTRAST = 3.0


class Summary(nn.Module):
    """The pooled condition, for the time embedding."""

    def __init__(self, width: int, time_width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, time_width, bias=False)

    def forward(self, condition: Tensor) -> Tensor:
        """(B, T, W) -> (B, time_cond_proj_dim)."""
        return self.project(pooled_condition(condition))


class LayoutSettings(Strict):
    channels: PositiveInt
    hidden: PositiveInt = 512
    layers: PositiveInt = 1  # hidden layers


class Layout(nn.Module):
    """The pooled condition as a rough image, whose channels are appended to the noisy latents.

    After 20,000 training images of 64 objects, a judge recognised 39 % of the objects drawn with it
    and 2 % without (anygen/pretrained/mini/README.md).
    """

    def __init__(
        self, settings: LayoutSettings, width: int, grid: Sequence[int], frames: int = 1
    ) -> None:
        """`grid` (h, w) is that of the latents; every frame of a video has its own rough image."""
        super().__init__()
        self.shape = (settings.channels, *grid)
        hidden = settings.hidden
        self.inward = nn.Linear(width, hidden)
        self.moments = nn.Parameter(torch.randn(frames, hidden) * 0.5)
        self.deeper = nn.Sequential()
        for _ in range(settings.layers - 1):
            self.deeper.append(nn.Linear(hidden, hidden)).append(nn.SiLU())
        self.outward = nn.Linear(hidden, prod(self.shape))
        with torch.no_grad():
            self.inward.weight.mul_(CONTRAST)

    def forward(self, condition: Tensor) -> Tensor:
        """(B, T, W) -> (B, frames, K, h, w)."""
        moments = F.silu(self.inward(pooled_condition(condition))[:, None] + self.moments)
        return self.outward(self.deeper(moments)).unflatten(-1, self.shape)

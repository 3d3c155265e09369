"""The features of a video's frames -> tokens of the whole video, in Valley's three ways.

Luo et al. 2023, "Valley", section 3: the tokens of each place are pooled over time, and one token
per frame follows. Valley's frame tokens are CLIP's class tokens; here, as an encoder may have none,
they are the mean over the places of a frame, as in Video-ChatGPT (Maaz et al. 2023).

F frames, P places in each, W width of the encoder.
"""

from math import gcd

import torch
from torch import Tensor, nn

from anygen.config.projectors import VideoPooling as Kind

HEADS = 8  # at most: the number must divide the width


class Mean(nn.Module):
    """Valley's first way: the mean over time."""

    def __init__(self, frames: int, places: int, width: int) -> None:
        super().__init__()

    def forward(self, frames_FPW: Tensor) -> Tensor:
        return frames_FPW.mean(0)


class Weighted(nn.Module):
    """Valley's second way: a linear map of a frame gives its weight."""

    def __init__(self, frames: int, places: int, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(places * width, 1, bias=False)  # a bias would cancel in the softmax

    def forward(self, frames_FPW: Tensor) -> Tensor:
        weights_F = self.score(frames_FPW.flatten(1))[:, 0].softmax(0)
        return torch.einsum("f,fpw->pw", weights_F, frames_FPW)


class Transformer(nn.Module):
    """Valley's third way: the mean plus one transformer layer's output at the last frame."""

    def __init__(self, frames: int, places: int, width: int) -> None:
        super().__init__()
        self.times = nn.Parameter(torch.randn(frames, 1, width) * 0.02)
        self.layer = nn.TransformerEncoderLayer(
            width, gcd(HEADS, width), 4 * width, dropout=0.0, batch_first=True, norm_first=True
        )

    def forward(self, frames_FPW: Tensor) -> Tensor:
        places_PFW = (frames_FPW + self.times).transpose(0, 1)
        return frames_FPW.mean(0) + self.layer(places_PFW)[:, -1]


KINDS: dict[Kind, type[Mean | Weighted | Transformer]] = {
    "mean": Mean,
    "weighted": Weighted,
    "transformer": Transformer,
}


class VideoPooling(nn.Module):
    """Features (F * P, W), frame by frame -> (P + F, W)."""

    def __init__(self, kind: Kind, frames: int, features: int, width: int) -> None:
        """`features` are those of all frames. Raises ValueError if there are no frames to pool."""
        super().__init__()
        if frames < 2 or features % frames:
            raise ValueError(
                f"input_projector.video_pooling: {kind} pools over frames, but this encoder has "
                f"{features} features of a video in {frames} frames; write none"
            )
        self.frames, self.places = frames, features // frames
        self.over_time = KINDS[kind](frames, self.places, width)

    @property
    def features(self) -> int:
        return self.places + self.frames

    def forward(self, features_KW: Tensor) -> Tensor:
        frames_FPW = features_KW.unflatten(0, (self.frames, self.places))
        return torch.cat([self.over_time(frames_FPW), frames_FPW.mean(1)])

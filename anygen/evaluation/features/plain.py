"""What media show without any network: points for distances, and how steady a video is.

They stand in for networks where there are none, under names of their own.
"""

import torch.nn.functional as F
from torch import Tensor

from anygen.core.media import Audio, Video
from anygen.numerics.audio import FFT, FLOOR, RATE, log_mel, slaney_filters, to_mono

SIDE = 8  # pixels of a picture as a point


def rgb8(frames_TCHW: Tensor) -> Tensor:
    """(T, 3, H, W) of pictures or frames -> (T, 192): the mean colours of 8 x 8 fields, 0 to 1."""
    return F.adaptive_avg_pool2d(frames_TCHW.float() / 255, SIDE).flatten(1)


def logmel64(sound: Audio) -> Tensor:
    """(64,): the mean level of each band up to 8 kHz, in nats."""
    samples = to_mono(sound, RATE)
    filled = F.pad(samples, (0, max(0, FFT - len(samples))))
    return log_mel(filled[None], slaney_filters(), FLOOR, centered=True)[0].mean(1)


def steadiness(video: Video) -> float:
    """1 minus the mean change of a value from frame to frame, of 255 (VBench's flickering).

    A video of one frame is steady.
    """
    if len(video.frames) < 2:
        return 1.0
    return 1 - float(video.frames.float().diff(dim=0).abs().mean()) / 255


def motion(video: Video) -> float:
    """The mean change of a value from frame to frame, of 255, where it changes at all.

    Tells a video that holds still from one that moves; it is no optical flow.
    """
    changes = video.frames.float().diff(dim=0).abs().flatten()
    moving = changes[changes > 0]
    return float(moving.mean()) / 255 if len(moving) else 0.0

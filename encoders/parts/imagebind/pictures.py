"""The vision tower's inputs of images and videos.

Of the pixels, frames and rate of an Image or a Video they are equal to the published code's, pixel
by pixel. That code decodes files itself, and of long videos all frames.
"""

# T frames, V views

import math
from fractions import Fraction
from itertools import product

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional

from anygen.core.media import Image, Video

MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's, of values in [0, 1]
DEVIATION = (0.26862954, 0.26130258, 0.27577711)

CLIPS, CLIP_SECONDS, CROPS = 5, 2, 3


def image_views(image: Image, size: tuple[int, int]) -> Tensor:
    """(1, 3, H, W): the shorter side scaled to `size`, bicubically, and the centre cropped."""
    picture = Pillow.fromarray(image.pixels.permute(1, 2, 0).cpu().numpy())
    short = min(picture.size)
    width, height = (int(size[0] * side / short) for side in picture.size)
    left, top = (round((side - size[0]) / 2) for side in (width, height))
    resized = picture.resize((width, height), Pillow.Resampling.BICUBIC)
    cut = np.asarray(resized.crop((left, top, left + size[0], top + size[0])))
    return normalized(torch.tensor(cut).permute(2, 0, 1)[None] / 255)


def video_views(video: Video, size: tuple[int, int]) -> Tensor:
    """(15, 3, 2, H, W): three crops of each of five clips of two frames."""
    clips = clip_frames(len(video.frames), video.fps)
    used = sorted({index for clip in clips for index in clip})
    frames = dict(zip(used, shrunk(video.frames[used].cpu() / 255, size[0]), strict=True))
    views = [
        cropped(normalized(torch.stack([frames[index] for index in clip])), size[0], crop)
        for clip, crop in product(clips, range(CROPS))
    ]
    return torch.stack(views).transpose(1, 2)


def clip_frames(frames: int, fps: float) -> list[tuple[int, int]]:
    """The first and last frame of five clips of two seconds, evenly spaced from start to end.

    A shorter video has five equal clips; a clip between two frames takes the earlier one.
    """
    latest = Fraction(max(frames / fps - CLIP_SECONDS, 0))  # seconds, as pytorchvideo has them
    clips = []
    for index in range(CLIPS):
        start = latest / (CLIPS - 1) * index
        first = min(math.ceil(fps * start), frames - 1)
        last = min(math.ceil(fps * (start + CLIP_SECONDS)), frames) - 1
        clips.append((first, max(first, last)))
    return clips


def shrunk(frames: Tensor, size: int) -> Tensor:
    """(T, 3, H, W): the shorter side scaled to `size`, bilinearly and without antialiasing."""
    height, width = frames.shape[2:]
    short = min(height, width)
    shape = [int(side / short * size) for side in (height, width)]
    return functional.interpolate(frames, shape, mode="bilinear", align_corners=False)


def cropped(frames: Tensor, size: int, crop: int) -> Tensor:
    """(T, 3, size, size) at the start, middle or end of the longer side."""
    height, width = frames.shape[2:]
    top, left = ((0, math.ceil((side - size) / 2), side - size)[crop] for side in (height, width))
    return frames[:, :, top : top + size, left : left + size]


def normalized(pictures: Tensor) -> Tensor:
    """(..., 3, H, W) in [0, 1] -> about unit variance."""
    mean, deviation = (torch.tensor(x)[:, None, None] for x in (MEAN, DEVIATION))
    return (pictures - mean) / deviation

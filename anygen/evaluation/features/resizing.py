"""Pictures in the size of a network, in the two ways that published distances rest on.

They give other distances, so the name of a figure holds the way.
"""

import numpy as np
import torch
from PIL import Image as Canvas
from torch import Tensor

from anygen.core.media import Image


def tensorflow_bilinear(picture: Image, side: int) -> Tensor:
    """(3, side, side) float32, 0 to 255: as TensorFlow 1 resized for the first published scores.

    Pixel i comes from place i * height / side, without half-pixel centers and without a filter.
    """
    pixels = picture.pixels.float()
    for axis in (1, 2):
        pixels = between(pixels, axis, side)
    return pixels


def between(values: Tensor, axis: int, size: int) -> Tensor:
    """Values at `size` evenly spaced places of an axis, between the nearest two."""
    length = values.shape[axis]
    places = torch.arange(size) * (length / size)
    low = places.long()
    high = (low + 1).clamp(max=length - 1)
    share = (places - low).view(-1, *[1] * (values.dim() - axis - 1))
    return values.index_select(axis, low) * (1 - share) + values.index_select(axis, high) * share


def pillow_bicubic(picture: Image, side: int) -> Tensor:
    """(3, side, side) float32, about 0 to 255: each channel by Pillow's bicubic filter, unrounded.

    As in clean-fid (Parmar et al. 2022, arXiv:2104.11222).
    """
    channels = [
        Canvas.fromarray(channel.float().numpy()).resize((side, side), Canvas.Resampling.BICUBIC)
        for channel in picture.pixels
    ]
    return torch.from_numpy(np.stack([np.asarray(channel) for channel in channels]))

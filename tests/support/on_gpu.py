"""What the tests in tests/gpu share."""

import pytest
import torch

from anygen.config.placement import Placement

DEVICE, SIZE = "cuda:0", "full"
PLACE = Placement(device=DEVICE, dtype="bfloat16")
NEEDS_CUDA = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
]
ROUNDING = 0.01  # the mean distance, in units of the medium's spread; media are whole numbers


def values(medium):
    """The numbers that a medium consists of."""
    names = {"Image": "pixels", "Audio": "samples", "Video": "frames"}
    return getattr(medium, names[type(medium).__name__]).float()


def assert_alike(found, expected):
    """Numbers of media that are equal up to the rounding of float32 on another device."""
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.isfinite().all()
        assert theirs.std() > 0
        assert (ours - theirs).abs().mean() < ROUNDING * theirs.std()

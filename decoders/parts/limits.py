"""Checks of sampling options, and of what they led to.

Each error of an option names it and gives a value that works.
"""

from torch import Tensor

from anygen.core.modality import MediaModality
from decoders.base import SampleOptions

UNUSED_OPTIONS: dict[MediaModality, tuple[list[str], str]] = {
    "image": (["frames", "seconds"], "an image"),
    "audio": (["size", "frames"], "a sound"),
    "video": (["seconds"], "a video"),
}


def require_finite(values: Tensor) -> Tensor:
    """The values of a medium, before they are clamped. Raises ValueError if one is not finite."""
    if values.isfinite().logical_not().any():  # a plan computes no values: every test is false
        raise ValueError(
            "what was computed is not finite; a smaller guidance, another scheduler or a higher "
            "precision may help"
        )
    return values


def check_modality(options: SampleOptions, modality: MediaModality) -> None:
    """Raises ValueError for options that do not apply to the modality."""
    fields, medium = UNUSED_OPTIONS[modality]
    for field in fields:
        if getattr(options, field) is not None:
            raise ValueError(f"{field}: does not apply to {medium}; leave it out")


def check_side(pixels: int, multiple: int) -> None:
    """Raises ValueError for a height or width that is not a multiple of `multiple`."""
    if pixels % multiple:
        raise ValueError(
            f"size: {pixels} pixels are not a multiple of {multiple}; "
            f"{pixels + -pixels % multiple} are"
        )


def check_frames(frames: int, step: int) -> None:
    """Raises ValueError if the frames are not a multiple of `step` plus one."""
    if (frames - 1) % step:
        fewer = frames - (frames - 1) % step
        raise ValueError(
            f"frames: {frames} cannot be made, only one more than a multiple of {step}; "
            f"{fewer} or {fewer + step} can"
        )


def check_seconds(seconds: float, longest: float) -> None:
    """Raises ValueError for a sound that is too long."""
    if seconds > longest:
        raise ValueError(
            f"seconds: {seconds:g} s cannot be made; this decoder makes {longest:g} s or less"
        )

"""What cannot be made is refused by one sentence that names the option and says what can be."""

from anygen.core.modality import MediaModality
from decoders.base import SampleOptions

NOT_ITS_OWN: dict[MediaModality, tuple[list[str], str]] = {
    "image": (["frames", "seconds"], "an image"),
    "audio": (["size", "frames"], "a sound"),
    "video": (["seconds"], "a video"),
}


def check_modality(options: SampleOptions, modality: MediaModality) -> None:
    """Raises ValueError for options that mean nothing to the medium."""
    fields, medium = NOT_ITS_OWN[modality]
    for field in fields:
        if getattr(options, field) is not None:
            raise ValueError(f"{field}: {medium} has none to choose; leave it out")


def check_side(pixels: int, multiple: int) -> None:
    """Raises ValueError for a height or width between those that can be made."""
    if pixels % multiple:
        raise ValueError(
            f"size: {pixels} pixels are no multiple of {multiple}; "
            f"{pixels + -pixels % multiple} are"
        )


def check_frames(frames: int, step: int) -> None:
    """Raises ValueError where the frames are not one more than a multiple of the step."""
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

"""Image, Audio, Video and Message: the values that users, encoders, LLM and decoders exchange.

Modules pass media and never bare arrays, so that data keep their sample rate or frame rate, and
the path of their file if they have one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from torch import Tensor

from anygen.core.modality import MediaModality
from anygen.core.text import valid_text


@dataclass(frozen=True, eq=False)
class Image:
    pixels: Tensor  # (3, H, W) uint8, RGB
    path: Path | None = None


@dataclass(frozen=True, eq=False)
class Audio:
    samples: Tensor  # (C, N) float32 in [-1, 1]
    rate: int  # samples per second
    path: Path | None = None

    @property
    def seconds(self) -> float:
        return self.samples.shape[-1] / self.rate


@dataclass(frozen=True, eq=False)
class Video:
    frames: Tensor  # (T, 3, H, W) uint8, RGB
    fps: float  # frames per second
    audio: Audio | None = None
    path: Path | None = None

    @property
    def seconds(self) -> float:
        return self.frames.shape[0] / self.fps


Media = Image | Audio | Video
Part = str | Media
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, eq=False)
class Message:
    """A role and an ordered tuple of parts; their order matters.

    Raises ValueError for an unknown role, and TypeError for parts that are no texts and media.
    """

    role: Role
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        """All text reaches the model in messages, so this is where it becomes valid Unicode."""
        if self.role not in get_args(Role):
            raise ValueError(f"role: {self.role!r} is none of {', '.join(get_args(Role))}")
        if isinstance(self.parts, Part):
            raise TypeError(f"parts: must be a tuple, not one {type(self.parts).__name__}")
        for part in self.parts:
            if not isinstance(part, Part):
                kind = type(part).__name__
                raise TypeError(f"parts: each is a str, Image, Audio or Video, not {kind}")
        parts = (valid_text(part) if isinstance(part, str) else part for part in self.parts)
        object.__setattr__(self, "parts", tuple(parts))

    @property
    def is_empty(self) -> bool:
        """Whether it holds neither a medium nor a text of more than white space."""
        return all(isinstance(part, str) and not part.strip() for part in self.parts)


MODALITY_OF: dict[type, MediaModality] = {Image: "image", Audio: "audio", Video: "video"}


def modality_of(media: Media) -> MediaModality:
    return MODALITY_OF[type(media)]


def media_of(messages: Iterable[Message]) -> list[Media]:
    """All media of the messages, in reading order."""
    parts = (part for message in messages for part in message.parts)
    return [part for part in parts if not isinstance(part, str)]


def append_text(parts: list[Part] | list[Part | None], text: str) -> None:
    """Appends text to the last part if that is text, and else as a part of its own."""
    if parts and isinstance(parts[-1], str):
        parts[-1] += text
    else:
        parts.append(text)

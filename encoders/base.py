"""What an encoder is: media in, features out."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import Tensor

from anygen.media import Media
from anygen.modality import MediaModality


class Encoder(Protocol):
    """Media of any modality that it knows -> features, each medium by itself.

    One that tells a video frame by frame says so in an attribute `frames: Mapping[MediaModality,
    int]`: the features of a medium are those of so many frames, as many of each, one frame after
    the other. Projectors then know what belongs together in time. Left out, it is one frame.
    """

    modalities: tuple[MediaModality, ...]
    widths: Mapping[MediaModality, int]  # W of each modality

    def length(self, modality: MediaModality) -> int:
        """K: how many features every medium of a modality has."""

    def encode(self, media: Sequence[Media]) -> list[Tensor]:
        """Features (K, W) per medium, K as `length` says."""

    def embed(self, items: Sequence[Media | str]) -> Tensor:
        """Media or texts in one joint space, (B, E), unit length."""

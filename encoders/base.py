"""What an encoder is: media in, features out."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from anygen.media import Media
from anygen.modality import MediaModality


class Encoder(Protocol):
    """Media of any modality that it knows -> features, each medium by itself."""

    modalities: tuple[MediaModality, ...]
    width: int

    def length(self, modality: MediaModality) -> int:
        """K: how many features every medium of a modality has."""

    def encode(self, media: Sequence[Media]) -> list[Tensor]:
        """Features (K, width) per medium, K as `length` says."""

    def embed(self, items: Sequence[Media | str]) -> Tensor:
        """Media or texts in one joint space, (B, E), unit length."""

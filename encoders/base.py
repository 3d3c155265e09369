"""What an encoder is: media in, features out."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import Tensor

from anygen.core.media import Media
from anygen.core.modality import MediaModality, Modality


class Encoder(Protocol):
    """Media of any modality that it knows -> features, each medium by itself.

    One that tells a video frame by frame says so in an attribute `frames: Mapping[MediaModality,
    int]`: the features of a medium are those of so many frames, as many of each, one frame after
    the other. Projectors then know what belongs together in time. Left out, it is one frame.
    """

    modalities: tuple[MediaModality, ...]
    widths: Mapping[MediaModality, int]  # W of the features of each of them
    embeds: tuple[Modality, ...]  # what `embed` takes; () where there is no joint space

    def length(self, modality: MediaModality) -> int:
        """K: how many features every medium of a modality has."""

    def encode(self, media: Sequence[Media]) -> list[Tensor]:
        """Features (K, W) per medium, K as `length` says."""

    def embed(self, items: Sequence[Media | str]) -> Tensor:
        """Media or texts in one joint space, (B, E), unit length.

        Raises ValueError for what is not in it, see `embeds`.
        """

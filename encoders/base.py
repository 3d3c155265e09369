"""The contract of an encoder: media in, features out.

B media, K features of one, W width of features, E width of a joint space.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from anygen.core.media import Image, Media, modality_of
from anygen.core.modality import MediaModality, Modality


class Domain(IntEnum):
    """What a medium is to an encoder."""

    FAMILIAR = 0  # like the media that it was trained on
    CLASSIFIED = 1  # something else, which its classifier of photographs is certain of
    UNFAMILIAR = 2


class Encoder(Protocol):
    """Turns media into features, each medium independently of what shares its batch.

    An encoder is also an `nn.Module`. Two class attributes are optional: `frozen`, name prefixes of
    published weights, which no checkpoint of ours contains, and `keep_in_fp32_modules`, name
    prefixes of tensors that stay float32 in half precision. Media lie in host memory; `encode`
    moves them to the device of the weights. Where `embeds` is empty, `embed` may be missing.
    """

    modalities: tuple[MediaModality, ...]
    widths: Mapping[MediaModality, int]  # W of each modality
    embeds: tuple[Modality, ...]  # what `embed` accepts; empty without a joint space
    # How many frames the features of a medium belong to, the same number of features for each, in
    # temporal order. A modality that is missing here has one; projectors use it to pool over time.
    frames: Mapping[MediaModality, int]

    def length(self, modality: MediaModality) -> int:
        """K, the number of features of every medium of a modality."""

    def encode(self, media: Sequence[Media]) -> list[Tensor]:
        """One tensor (K, W) per medium, with K as `length` gives it."""

    def embed(self, items: Sequence[Media | str]) -> Tensor:
        """Media and texts in one joint space, (B, E), unit length.

        Raises ValueError for an item whose modality is not in `embeds`.
        """


@runtime_checkable
class JointEncoder(Encoder, Protocol):
    """An encoder that stage `joint` trains, and that has a classifier of photographs.

    Its frozen part turns media into observations, which training computes once and keeps; the rest
    reads observations into features.
    """

    calibrated: tuple[str, ...]  # name prefixes of the weights that stage `calibrate` trains
    familiarity: Mapping[str, Any]  # its trained part per modality; empty without a domain token

    def observe(self, modality: MediaModality, media: Sequence[Any]) -> list[Tensor]:
        """The output of the frozen part, one tensor per medium of `modality`."""

    def mix(self, first: Tensor, second: Tensor) -> Tensor:
        """The observation of two sounds at once, from one of each of the same length."""

    def read(self, modality: MediaModality, observed: Tensor) -> Tensor:
        """Observations (B, ...) of one modality -> features (B, K, W), without class token."""

    def complete(self, modality: MediaModality, observed: Tensor, features: Tensor) -> Tensor:
        """Features as the LLM gets them (B, K, W): with the tokens of class and domain, if any."""

    def summary(self, modality: MediaModality, observed: Tensor, features: Tensor) -> Tensor:
        """(B, W), what stage `calibrate` learns from."""

    def domains(self, modality: MediaModality, observed: Tensor, features: Tensor) -> Tensor:
        """The `Domain` of each medium, (B,)."""

    def class_logits(self, modality: MediaModality, observed: Tensor) -> Tensor:
        """Of observed images or videos, (B, classes)."""

    def embed_features(self, modality: MediaModality, features: Tensor) -> Tensor:
        """What `read` returns -> (B, E), unit length."""

    def match_loss(self, embedded: Tensor, captions: Sequence[str]) -> Tensor:
        """InfoNCE, both ways, between embedded media (B, E) and their captions; a scalar."""

    def class_names(self) -> list[str]:
        """The names of the classifier's classes, by index."""

    def classify(self, images: Sequence[Image]) -> list[str]:
        """The name of the class that the classifier ranks first, for each image."""

    def imagine(
        self, modality: MediaModality, shares: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Observations of imagined photographs or videos, with shares (B, classes) of classes."""


def kind_of(item: Media | str) -> Modality:
    """The modality of a medium, or `text`."""
    return "text" if isinstance(item, str) else modality_of(item)

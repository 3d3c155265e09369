"""The identity of a model."""

from __future__ import annotations

from dataclasses import dataclass

from anygen.config.placement import Placement
from anygen.config.sampling import Sampling


@dataclass(frozen=True)
class ModelId:
    """A model and its placement: everything about it that its answers depend on."""

    model: str  # the name of a shipped model, or a folder
    weights: str  # SHA-256 of its weights
    placement: Placement = Placement()
    sampling: Sampling = Sampling()  # where a request does not say

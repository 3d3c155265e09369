"""Which model made something."""

from __future__ import annotations

from dataclasses import dataclass

from anygen.config.placement import Placement


@dataclass(frozen=True)
class ModelId:
    """A model as it is laid out in memory: its answers depend on nothing else of it."""

    model: str  # the name of a shipped one, or a folder
    weights: str  # SHA-256 of its file
    placement: Placement = Placement()

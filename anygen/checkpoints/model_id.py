"""Which model made something."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelId:
    """Which model makes something."""

    model: str  # the name of a shipped one, or a folder
    weights: str  # SHA-256 of its file

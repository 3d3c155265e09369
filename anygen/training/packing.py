"""Joining the weights of finished runs into a model's folder."""

from collections.abc import Sequence
from pathlib import Path

from anygen.checkpoints.checkpoint import (
    load_weights,
    weights_in,
)
from anygen.config.loader import find_config, load_system
from anygen.model.multimodal import MultimodalModel


def pack(system: str, runs: Sequence[Path], out: Path) -> None:
    """Join the weights of finished runs, later ones winning, into a model's folder.

    Raises ValueError naming what no run has learned.
    """
    model = MultimodalModel(load_system(system), find_config(system).parent)
    load_weights(model, map(weights_in, runs), complete=True)
    model.save_pretrained(out)

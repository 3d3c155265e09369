"""Joins the weights of finished runs into the folder of a model."""

from collections.abc import Sequence
from pathlib import Path

from anygen.checkpoints.checkpoint import load_weights, weights_in
from anygen.config.loader import find_config, load_system
from anygen.model.multimodal import MultimodalModel


def pack(system: str, runs: Sequence[Path], out: Path) -> None:
    """Write a model with the weights of finished runs to `out`; later runs win.

    Raises ValueError naming the weights that no run has.
    """
    model = MultimodalModel(load_system(system), find_config(system).parent)
    load_weights(model, map(weights_in, runs), complete=True)
    model.save_pretrained(out)

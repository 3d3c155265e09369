"""Joins the weights of finished runs into the folder of a model."""

from collections.abc import Sequence
from pathlib import Path

from anygen.checkpoints.checkpoint import load_weights
from anygen.checkpoints.run_weights import find_weights, weights_of
from anygen.config.loader import find_config, load_system
from anygen.model.multimodal import MultimodalModel


def pack(system: str, runs: Sequence[Path], out: Path) -> None:
    """Write a model with the weights of runs, and of models, to `out`; later ones win.

    Weights that none of them has are those that a run began with. Raises ValueError naming the
    weights that are nowhere; those of published parts are never among them.
    """
    model = MultimodalModel(load_system(system), find_config(system).parent)
    load_weights(model, weights_of(map(find_weights, runs)), complete=True)
    model.save_pretrained(out)

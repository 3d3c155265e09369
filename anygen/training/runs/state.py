"""The state from which a run goes on: written whole or not at all, and checked when it is read."""

import zipfile
from pathlib import Path
from typing import Any

import torch

from anygen.checkpoints.checkpoint import writing
from anygen.io.atomic import replacing

STATE_FILE = "state.pt"

State = dict[str, Any]


def write_state(state: State, folder: Path) -> None:
    """Raises OSError naming the file if it cannot be written; the earlier state then stays."""
    path = folder / STATE_FILE
    with replacing(path) as temporary, writing(path):
        torch.save(state, temporary)


def read_state(folder: Path) -> State | None:
    """The state of the run in a folder, None if there is none.

    Raises ValueError naming the file if it is damaged. `torch.save` writes a ZIP archive, which has
    a checksum of every tensor; `torch.load` does not look at these.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"the checksum of {damaged} is wrong")
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zipfile and torch raise many kinds for a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path}: the state of the run is damaged ({reason[:80]}); put a copy of it in its "
            "place, or remove it to begin at the first step"
        ) from error
    if not isinstance(state, dict) or not {"step", "tensors", "optimizer"} <= state.keys():
        raise ValueError(f"{path}: is not the state of a training run")
    return state

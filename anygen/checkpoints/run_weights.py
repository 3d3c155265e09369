"""The weights of a model, or of a training run together with those that the run began with."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from anygen.checkpoints.checkpoint import (
    CONFIG,
    INDEX,
    PRETRAINED,
    RUN_WEIGHTS,
    WEIGHTS,
    digest_of,
)

INIT = "init"  # key of a run's config.json: shipped models, and paths relative to the run's folder


def weights_in(folder: Path) -> Path:
    """The weights that a run has trained, or those of a whole model."""
    trained = folder / RUN_WEIGHTS
    return trained if trained.is_file() else folder / WEIGHTS


def find_weights(name: str | Path) -> Path:
    """The folder of a shipped model by its name, or of a model or a run. Raises ValueError."""
    for folder in (PRETRAINED / name, Path(name)):
        if any((folder / file).is_file() for file in (RUN_WEIGHTS, WEIGHTS, f"{WEIGHTS}{INDEX}")):
            return folder
    shipped = ", ".join(sorted(p.parent.name for p in PRETRAINED.glob(f"*/{CONFIG}")))
    raise ValueError(
        f"no model named {str(name)!r} and no folder with weights of a run or a model; there are "
        f"{shipped}"
    )


def weights_of(folders: Iterable[Path]) -> list[Path]:
    """Files of weights of which later ones win: what runs began with, then what they trained.

    What a run began with never wins over the weights of another folder that is named.
    """
    folders = list(folders)
    before = [parent for folder in folders for parent in parents_of(folder)]
    earlier = weights_of(before) if before else []
    return [*earlier, *(weights_in(folder) for folder in folders)]


def parents_of(folder: Path) -> list[Path]:
    """What a run in the folder began with. Raises ValueError if something of it is gone."""
    path = folder / CONFIG
    config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found = []
    for name in config.get(INIT, []):
        beside = folder / name
        try:
            found.append(find_weights(beside if beside.exists() else name))
        except ValueError as error:
            raise ValueError(f"{path}: init: {error}") from error
    return found


def fingerprint(folders: Sequence[Path]) -> str:
    """The SHA-256 of all weights of models or runs, in hexadecimal."""
    return digest_of(weights_of(folders))

"""What a run saves: weights to use, of which earlier ones may be kept, and the state to resume."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from anygen.checkpoints.checkpoint import RUN_WEIGHTS, save_system, save_weights
from anygen.checkpoints.run_weights import INIT
from anygen.config.run import Run
from anygen.config.system import System
from anygen.training.runs.folder import relative

MODEL_STAGES = ("encode", "decode", "instruct", "project", "route")
CHECKPOINTS = "checkpoints"  # the folder of earlier weights, in folders named by their steps
BEST = "best"  # the one of those with the lowest loss of held-out rows


def write_weights(
    tensors: Mapping[str, Tensor], run: Run, system: System, source: Path, step: int
) -> None:
    """Writes the weights of a step to the run's folder and, if it keeps some, to one of its own."""
    save_weights(tensors, run.out / RUN_WEIGHTS)
    write_config(run, system, source, run.out)
    if run.keep:
        keep_weights(run, system, source, f"{step:06d}")
        for old in sorted((run.out / CHECKPOINTS).glob("[0-9]*"))[: -run.keep]:
            shutil.rmtree(old)


def keep_weights(run: Run, system: System, source: Path, name: str) -> None:
    """The present weights in a folder of their own, too; a link where the file system has links."""
    folder = run.out / CHECKPOINTS / name
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{RUN_WEIGHTS}.partial"
    temporary.unlink(missing_ok=True)
    try:
        os.link(run.out / RUN_WEIGHTS, temporary)
    except OSError:  # the file system has no links
        shutil.copyfile(run.out / RUN_WEIGHTS, temporary)
    temporary.replace(folder / RUN_WEIGHTS)
    write_config(run, system, source, folder)


def write_config(run: Run, system: System, source: Path, folder: Path) -> None:
    """Makes the folder one that --model takes: its weights go over those of `run.init`.

    The files that the system names are copied from `source`, but not a base LLM. Nothing happens
    for a stage of other components.
    """
    if run.stage not in MODEL_STAGES:
        return
    base = source / system.llm.base
    if base.is_dir():
        llm = system.llm.model_copy(update={"base": str(base.absolute())})
        system = system.model_copy(update={"llm": llm})
    began_with = [relative(str(name), folder) for name in run.init]
    save_system(system, source, folder, {INIT: began_with})

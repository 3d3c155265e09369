"""The folder of a run of the LLM is that of a model, which answers while the run goes on."""

from pathlib import Path

from anygen.checkpoints.checkpoint import save_system
from anygen.checkpoints.run_weights import INIT
from anygen.config.run import Run
from anygen.config.system import System
from anygen.training.runs.folder import relative

MODEL_STAGES = ("encode", "decode", "instruct", "project", "route")


def write_model(run: Run, system: System, source: Path) -> None:
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
    began_with = [relative(str(name), run.out) for name in run.init]
    save_system(system, source, run.out, {INIT: began_with})

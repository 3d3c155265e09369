"""TensorBoard, Weights & Biases and trackio, which show the log of a run while it trains."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from accelerate import Accelerator

from anygen.config.run import Run

PROJECT = "anygen"


def check_tracker(run: Run) -> None:
    """Raises ValueError if the package of the run's tracker is not installed."""
    if run.tracker and find_spec(run.tracker) is None:
        raise ValueError(
            f"tracker: the package {run.tracker} is not installed; pip install {run.tracker}, or "
            "leave tracker out: log.jsonl and report.html need none"
        )


@contextmanager
def tracking(run: Run, accelerator: Accelerator, step: int) -> Iterator[None]:
    """Goes on with what a run has reported up to `step`. Nothing happens without a tracker.

    TensorBoard's files are in the folder of the run; the others name the run after its folder.
    """
    if run.tracker == "tensorboard":
        purge = {run.tracker: {"purge_step": step + 1}}
        accelerator.init_trackers(run.tracker, init_kwargs=purge)
    elif run.tracker is not None:
        settings = {"name": run.out.name, "resume": "allow"}
        if run.tracker == "wandb":  # a name may be that of several runs
            whole = str(run.out.absolute()).encode()
            settings |= {"id": hashlib.sha256(whole).hexdigest()[:16], "dir": str(run.out)}
        config = run.model_dump(mode="json")
        accelerator.init_trackers(PROJECT, config, init_kwargs={run.tracker: settings})
    try:
        yield
    finally:
        for tracker in accelerator.trackers:
            tracker.finish()


def report_row(accelerator: Accelerator, row: Mapping[str, Any]) -> None:
    """The numbers in a line of the log."""
    values = {k: v for k, v in row.items() if k != "step" and isinstance(v, int | float)}
    accelerator.log(values, step=row["step"])

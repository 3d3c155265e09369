"""Where a run computes: its processes, their devices, and the precision of the base LLM."""

import logging
import os
from collections.abc import Callable, Sequence

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs

from anygen.config.placement import Placement
from anygen.config.run import DIALOGUE_STAGES, Run
from anygen.numerics.int8_linear import has_vnni

log = logging.getLogger(__name__)

Terms = dict[str, float]  # of a loss, by name


def make_accelerator(run: Run) -> Accelerator:
    """Where a run computes, alone or as one of the processes that torchrun has started.

    Without `cpu` processes on CPUs would not notice each other. A part of a step may have no medium
    of a modality, and then what learns from it has no gradient.
    """
    on_cpus = "LOCAL_RANK" in os.environ and not torch.accelerator.is_available()
    parallel = DistributedDataParallelKwargs(find_unused_parameters=True)
    precision = "bf16" if run.precision == "bf16" else "no"
    return Accelerator(
        mixed_precision=precision,
        cpu=on_cpus,
        kwargs_handlers=[parallel],
        log_with=run.tracker,
        project_dir=run.out,
    )


def check_parts(run: Run, processes: int) -> None:
    """Raises ValueError if some pass of a process would have no row."""
    parts = processes * run.accumulation
    if run.stage in DIALOGUE_STAGES and run.batch_size < parts:
        raise ValueError(
            f"batch_size: {run.batch_size} rows cannot be divided among {processes} processes with "
            f"{run.accumulation} passes each; give at least {parts}"
        )


def mean_of_processes(processes: Sequence[Sequence[Terms]]) -> list[Terms]:
    """The terms of each step; where a process had nothing of one, it adds 0 to the mean."""
    means = []
    for rows in zip(*processes):
        names = dict.fromkeys(name for row in rows for name in row)
        means.append({name: sum(row.get(name, 0.0) for row in rows) / len(rows) for name in names})
    return means


def placement_of(run: Run, accelerator: Accelerator) -> Placement:
    """The base LLM's. 4-bit weights are quantized on the device that computes."""
    if run.precision != "nf4":
        return Placement(dtype="bfloat16" if run.precision == "bf16" else "float32")
    return Placement(
        device=str(accelerator.device), dtype="float32", quant="nf4"
    ).validate_available()


def has_fast_int8(device: torch.device, vnni: Callable[[], bool] = has_vnni) -> bool:
    """Whether 8-bit layers are faster than float32 ones; logs if they are not."""
    if device.type != "cpu" or vnni():
        return True
    log.info("this CPU has no VNNI: the base LLM stays in float32, two to four times as slow")
    return False

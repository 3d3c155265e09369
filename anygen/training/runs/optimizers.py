"""The optimizers that a run can choose, and the learning rate of every step."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from anygen.config.run import Run


def make_optimizer(parameters: Iterable[Tensor], run: Run) -> torch.optim.Optimizer:
    """AdamW, or Adafactor (Shazeer and Stern 2018), whose state is a small part of AdamW's."""
    rate, decay = run.learning_rate, run.weight_decay
    if run.optimizer == "adafactor":
        return torch.optim.Adafactor(parameters, rate, weight_decay=decay)
    return torch.optim.AdamW(parameters, rate, run.betas, weight_decay=decay)


def learning_rate(run: Run, step: int) -> float:
    """Linear warm-up, then the run's schedule from `run.learning_rate` to `run.final_rate` of it.

    A function of the step alone, so a resumed run may have another number of steps; the schedules
    of transformers count steps in a state of their own.
    """
    if step < run.warmup:
        return run.learning_rate * (step + 1) / run.warmup
    progress = (step - run.warmup) / max(1, run.steps - run.warmup)
    share = SCHEDULES[run.schedule](run, min(1.0, progress))
    return run.learning_rate * (run.final_rate + (1 - run.final_rate) * share)


def warmup_stable_decay(run: Run, progress: float) -> float:
    """Constant up to the last `run.decay` of the steps, then falling as 1 - sqrt.

    That form is the best of those that Haegele et al. (2024, "Scaling Laws and Compute-Optimal
    Training Beyond Fixed Training Durations") compare.
    """
    return 1 - math.sqrt(max(0.0, progress - (1 - run.decay)) / run.decay)


SCHEDULES: dict[str, Callable[[Run, float], float]] = {  # of the progress after warm-up, 0 to 1
    "cosine": lambda run, progress: (1 + math.cos(math.pi * progress)) / 2,
    "linear": lambda run, progress: 1 - progress,
    "constant": lambda run, progress: 1.0,
    "wsd": warmup_stable_decay,
}

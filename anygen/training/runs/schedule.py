"""The learning rate of every step."""

import math

from anygen.config.run import Run

FINAL_RATE = 0.05  # share of the learning rate at which the cosine schedule ends


def learning_rate(run: Run, step: int) -> float:
    """Linear warm-up, then a cosine from `run.learning_rate` to FINAL_RATE of it.

    A function of the step alone, so a resumed run may have another number of steps; the schedules
    of transformers count steps in a state of their own.
    """
    if step < run.warmup:
        return run.learning_rate * (step + 1) / run.warmup
    progress = (step - run.warmup) / max(1, run.steps - run.warmup)
    cosine = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return run.learning_rate * (FINAL_RATE + (1 - FINAL_RATE) * cosine)

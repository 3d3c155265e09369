"""The optimizers that a run can choose, their memory, and the learning rate of every step."""

import importlib.util
import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from anygen.config.run import OptimizerName, Run

MIN_8BIT = 4096  # numbers; smaller parameters have averages in 32 bits
BLOCK = 256  # of numbers that share a scale, of bitsandbytes


def check_optimizer(run: Run) -> None:
    """Raises ValueError if the library of the optimizer is missing."""
    if run.optimizer == "adamw_8bit" and importlib.util.find_spec("bitsandbytes") is None:
        raise ValueError("optimizer: adamw_8bit needs the extra quant: pip install bitsandbytes")


def make_optimizer(parameters: Iterable[Tensor], run: Run) -> torch.optim.Optimizer:
    """AdamW, with averages in 32 bits or in 8 (Dettmers et al. 2022, "8-bit Optimizers via
    Block-wise Quantization"), or Adafactor (Shazeer and Stern 2018), whose state is smaller still.
    """
    rate, decay = run.learning_rate, run.weight_decay
    if run.optimizer == "adafactor":
        return torch.optim.Adafactor(parameters, rate, weight_decay=decay)
    if run.optimizer == "adamw_8bit":
        from bitsandbytes.optim import AdamW8bit  # of the extra quant

        eight_bits: torch.optim.Optimizer = AdamW8bit(
            parameters, rate, run.betas, weight_decay=decay, min_8bit_size=MIN_8BIT
        )
        return eight_bits
    return torch.optim.AdamW(parameters, rate, run.betas, weight_decay=decay)


def optimizer_bytes(parameters: Iterable[Tensor], name: OptimizerName) -> int:
    """What the state of an optimizer takes for float32 parameters after its first step."""
    return sum(STATE_BYTES[name](parameter) for parameter in parameters)


def adamw_bytes(parameter: Tensor) -> int:
    """Two averages."""
    return 8 * parameter.numel()


def adamw_8bit_bytes(parameter: Tensor) -> int:
    """Two averages of a byte each, with a scale for every block of them."""
    size = parameter.numel()
    return 2 * (size + 4 * math.ceil(size / BLOCK)) if size >= MIN_8BIT else 8 * size


def adafactor_bytes(parameter: Tensor) -> int:
    """An average for every row and every column of a matrix, or for every number of a vector."""
    if parameter.dim() < 2:
        return 4 * parameter.numel()
    rows, columns = parameter.shape[-2:]
    return 4 * (parameter.numel() // columns + parameter.numel() // rows)


STATE_BYTES: dict[OptimizerName, Callable[[Tensor], int]] = {
    "adamw": adamw_bytes,
    "adamw_8bit": adamw_8bit_bytes,
    "adafactor": adafactor_bytes,
}


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

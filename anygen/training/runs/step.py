"""One step of training: its randomness, its dialogues, and the part that one pass computes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from anygen.training.data.media import OwnMedium
from anygen.training.data.mixture import StepRows
from anygen.training.dialogues import Dialogue


@dataclass(frozen=True)
class Step:
    """All randomness of one training step: a function of (seed, step) alone.

    The stages of dialogues draw those of the whole step; every process and every pass computes a
    part of them. In other stages each process draws a batch of its own.
    """

    index: int
    rng: random.Random
    generators: list[torch.Generator]  # one per row
    dialogues: Sequence[Dialogue] = ()
    media: StepRows[OwnMedium] | None = None  # if the run has `data`, and learns from pixels
    part: int = 0
    parts: int = 1
    processes: int = 1  # whose gradients are averaged

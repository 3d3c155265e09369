"""An exponential moving average of the weights that learn."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class AveragedWeights:
    """Empty, and without effect, if the decay is 0."""

    def __init__(self, learned: Mapping[str, Tensor], decay: float) -> None:
        self.learned, self.decay = learned, decay
        self.tensors = {n: p.detach().clone() for n, p in learned.items()} if decay else {}
        self.kinds: dict[type, list[str]] = {}  # whole tensors and parts of some do not mix
        for name, tensor in self.tensors.items():
            self.kinds.setdefault(type(tensor), []).append(name)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """The decay rises to `decay`, so that the average soon forgets the first weights.

        The formula is that of diffusers' EMAModel, which keeps no names and copies all weights once
        more whenever they are saved.
        """
        if self.tensors:
            decay = min(self.decay, (1 + step) / (10 + step))
            for names in self.kinds.values():
                averages, present = ([t[n] for n in names] for t in (self.tensors, self.learned))
                torch._foreach_lerp_(averages, present, 1 - decay)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Within the context the model has its averaged weights."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    @torch.no_grad()
    def exchange(self) -> None:
        for name, average in self.tensors.items():
            current = self.learned[name].clone()
            self.learned[name].copy_(average)
            average.copy_(current)

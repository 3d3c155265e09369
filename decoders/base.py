"""What a decoder is: a condition in, one medium out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from anygen.modality import MediaModality

OnStep = Callable[[int, int], None]  # (denoising steps done, all steps)
Cancelled = Callable[[], bool]


class CancelledError(Exception):
    """Raised inside `sample` within one denoising step of `cancelled()` turning true."""


@dataclass(frozen=True)
class ConditionSpec:
    """The shape of a condition: `(tokens, width)`; output projectors are sized from it."""

    tokens: int
    width: int
    norm: Literal["none", "l2"] = "none"  # l2: every token has unit length


@dataclass(frozen=True)
class SampleOptions:
    """How to render; None means the decoder's own default."""

    steps: int | None = None
    guidance: float | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise ValueError(
                f"{self.steps} denoising steps cannot make anything; ask for 1 or more"
            )


class Decoder(Protocol):
    """A row's result depends on its condition and its seed only: not on batch size or order."""

    modality: MediaModality
    condition_spec: ConditionSpec

    def caption_condition(self, captions: Sequence[str]) -> Tensor:
        """Captions through the decoder's own text encoder: (B, tokens, width)."""

    def sample(
        self,
        conditions: Tensor,  # (B, tokens, width)
        seeds: Sequence[int],  # one per row
        options: SampleOptions,
        on_step: OnStep,
        cancelled: Cancelled,
    ) -> list[Any]:
        """One medium per row. Raises CancelledError."""

    def loss(
        self, media: Sequence[Any], conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """The denoising loss per row, (B,), against the scheduler's own target."""

    def to_latents(self, media: Sequence[Any]) -> Tensor:
        """What the denoiser works on, (B, C, ...): encoded once, learned from many times."""

    def latent_loss(
        self, latents: Tensor, conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """`loss` of media that are encoded already."""


def no_progress(step: int, total: int) -> None:
    """An `on_step` that does nothing."""


def never() -> bool:
    """A `cancelled` that is never true."""
    return False

"""What a decoder is: a condition in, one medium out."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from anygen.core.modality import MediaModality
from anygen.core.schema import Strict

OnStep = Callable[[int, int], None]  # (denoising steps done, all steps that are run)
Cancelled = Callable[[], bool]
SchedulerName = Literal["dpm++", "ddim", "euler", "unipc"]


class CancelledError(Exception):
    """Raised inside `sample` within one denoising step of `cancelled()` turning true."""


@dataclass(frozen=True)
class ConditionSpec:
    """The shape of a condition: `(tokens, width)`; output projectors are sized from it.

    Some decoders want one more vector (SDXL, SD3, Flux). The condition of a row then is flat,
    `(tokens * width + pooled,)`: the tokens, and this vector behind them.
    """

    tokens: int
    width: int
    norm: Literal["none", "l2"] = "none"  # l2: every token has unit length
    pooled: int = 0  # width of that vector, 0 for none

    def split(self, condition_BX: Tensor) -> tuple[Tensor, Tensor | None]:
        """Conditions of B rows -> tokens (B, tokens, width) and vectors (B, pooled), if any."""
        if not self.pooled:
            return condition_BX, None
        tokens, pooled = condition_BX.split([self.tokens * self.width, self.pooled], 1)
        return tokens.unflatten(1, (self.tokens, self.width)), pooled

    def join(self, tokens_BTW: Tensor, pooled_BP: Tensor | None = None) -> Tensor:
        """The inverse of `split`."""
        if pooled_BP is None:
            return tokens_BTW
        return torch.cat([tokens_BTW.flatten(1), pooled_BP], 1)


class SampleOptions(Strict):
    """How to render; None means the decoder's own default."""

    steps: PositiveInt | None = None  # of denoising
    guidance: NonNegativeFloat | None = None  # 1 is none
    negative: str | None = None  # what guidance leads away from, instead of the empty caption
    scheduler: SchedulerName | None = None
    size: PositiveInt | None = None  # pixels along each side of an image or a video
    frames: PositiveInt | None = None  # of a video
    seconds: PositiveFloat | None = None  # of a sound


@dataclass(frozen=True, eq=False)
class Task:
    """One medium to make. Raises ValueError at a strength that is none.

    With a `start` the last int(steps * strength) denoising steps are run on it, at least one
    (SDEdit: Meng et al. 2022); where that is all of them, as at strength 1, it is not looked at.
    """

    condition: Tensor  # (tokens, width), or flat: see ConditionSpec
    seed: int
    options: SampleOptions = SampleOptions()
    start: Any | None = None  # a medium of the decoder's modality, of any size, rate and length
    strength: float = 0.6  # in (0, 1]: small stays near the start

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise ValueError(
                f"strength: {self.strength:g} is no share of the denoising steps; "
                "give more than 0 and at most 1"
            )


class Decoder(Protocol):
    """A row's bytes depend on its task only: not on the size of its batch nor on its place there.

    On a CPU in float32 that is exact, with any number of threads.

    In half precision the network and the conditions are of that, latents stay float32, and so
    does what a decoder names in `safe`: the beginnings of names within it.
    """

    modality: MediaModality
    condition_spec: ConditionSpec

    def encode_prompt(self, captions: Sequence[str]) -> Tensor:
        """Captions through the decoder's own text encoder: (B, tokens, width), or flat."""

    def check(self, options: SampleOptions) -> None:
        """Raises ValueError, one sentence that names the field, where it cannot do as told."""

    def batch_key(self, task: Task) -> Hashable:
        """Tasks of equal keys may be sampled together."""

    def sample(self, tasks: Sequence[Task], on_step: OnStep, cancelled: Cancelled) -> list[Any]:
        """One medium per task, all of one key. Raises CancelledError; ValueError as `check`."""

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


def pooled_condition(condition: Tensor) -> Tensor:
    """The last token (B, W), of unit variance: a causal text encoder has read all others there."""
    return F.layer_norm(condition[:, -1], condition.shape[-1:])

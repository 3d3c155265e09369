"""The contract of a decoder: a condition in, one medium out.

B rows, T tokens of a condition, W their width, C channels of a latent.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor

from anygen.core.media import Media
from anygen.core.modality import MediaModality
from anygen.core.schema import Strict, Text

OnStep = Callable[[int, int], None]  # (denoising steps done, denoising steps in all)
Cancelled = Callable[[], bool]
OnPreview = Callable[[Media], None]  # the medium that the steps so far amount to
SchedulerName = Literal["dpm++", "ddim", "euler", "unipc"]


def ignore_preview(medium: Media) -> None:
    """An `on_preview` that does nothing."""


class CancelledError(Exception):
    """Raised by `sample` within one denoising step after `cancelled()` becomes true."""


@dataclass(frozen=True)
class ConditionSpec:
    """The shape of a condition, `(tokens, width)`, from which output projectors are sized.

    Some decoders take one more vector (SDXL, SD3, Flux). The condition of a row is then flat,
    `(tokens * width + pooled,)`: the tokens, followed by this vector.
    """

    tokens: int
    width: int
    norm: Literal["none", "l2"] = "none"  # l2: every token has unit length
    pooled: int = 0  # width of that vector; 0: there is none

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
    """How to render. None means the decoder's own default."""

    steps: PositiveInt | None = None  # denoising steps
    guidance: NonNegativeFloat | None = None  # 1: no guidance
    negative: Text | None = None  # what guidance leads away from; None: the empty caption
    scheduler: SchedulerName | None = None
    size: PositiveInt | None = None  # pixels per side of an image or a video
    frames: PositiveInt | None = None  # of a video
    seconds: Annotated[float, Field(gt=0, le=3600)] | None = None  # of a sound


@dataclass(frozen=True, eq=False)
class RenderRequest:
    """One medium to render. Raises ValueError if `strength` is not in (0, 1].

    With `init_media` only the last int(steps * strength) denoising steps run on it, at least one
    (SDEdit: Meng et al. 2022). If that is all of them, as at strength 1, it has no effect.
    """

    condition: Tensor  # (tokens, width), or flat: see ConditionSpec
    seed: int
    options: SampleOptions = SampleOptions()
    init_media: Media | None = None  # of the decoder's modality; any size, rate and length
    strength: float = 0.6  # in (0, 1]: a small value stays near `init_media`
    # What guidance leads away from; None: `options.negative`, as the decoder encodes it.
    negative_condition: Tensor | None = None
    # How often `on_preview` is called at most, between steps that are evenly spaced. A decoder that
    # can show no medium before its end never calls it. The result is the same.
    previews: int = 0
    on_preview: OnPreview = ignore_preview

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise ValueError(
                f"strength: {self.strength:g} is not a share of the denoising steps; "
                "give more than 0 and at most 1"
            )


@runtime_checkable
class Decoder(Protocol):
    """Turns conditions into media.

    A row depends on its own request only, not on its batch or its place there: on a CPU to the
    byte, see `is_sampled_alone`. In half precision the network and the conditions have that
    precision, latents stay float32, and so do the tensors that `keep_in_fp32_modules` lists.

    A decoder is also an `nn.Module`. Two class attributes are optional: `frozen`, name prefixes of
    published weights, which no checkpoint of ours contains, and `keep_in_fp32_modules`, name
    prefixes of tensors that half precision would spoil. Tensors that it makes itself lie on the
    device of its weights and conditions; media lie in host memory.
    """

    modality: MediaModality
    condition_spec: ConditionSpec

    def encode_prompt(self, captions: Sequence[str]) -> Tensor:
        """Captions through the decoder's own text encoder: (B, tokens, width), or flat."""

    def check(self, options: SampleOptions) -> None:
        """Raises ValueError, one sentence that names the field, for what it cannot do."""

    def batch_key(self, request: RenderRequest) -> Hashable:
        """Requests with equal keys may be sampled together."""

    def sample(
        self, requests: Sequence[RenderRequest], on_step: OnStep, cancelled: Cancelled
    ) -> list[Any]:
        """One medium per request; all requests have one key.

        Raises CancelledError, and ValueError as `check` does, or for media that are not finite.
        """


@runtime_checkable
class VideoDecoder(Decoder, Protocol):
    """A decoder of videos that says how many frames make a second."""

    @property
    def rate(self) -> float: ...


@runtime_checkable
class TrainableDecoder(Decoder, Protocol):
    """A decoder with a denoising loss: stage `denoise` trains it, others train through it."""

    def loss(
        self, media: Sequence[Any], conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """The denoising loss per row, (B,), against the scheduler's own target."""

    def to_latents(self, media: Sequence[Any]) -> Tensor:
        """The denoiser's input, (B, C, ...), which training computes once and reuses."""

    def latent_loss(
        self, latents: Tensor, conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """`loss` of media that are latents already."""


@runtime_checkable
class AutoencodingDecoder(TrainableDecoder, Protocol):
    """A decoder with an autoencoder that stage `vae` trains."""

    def from_latents(self, latents: Tensor) -> list[Any]:
        """Latents (B, C, ...) -> one medium per row."""

    def autoencoding_loss(self, media: Sequence[Any], generator: torch.Generator) -> Tensor:
        """The autoencoder's loss per picture, spectrogram or frame."""


@runtime_checkable
class PixelDecoder(AutoencodingDecoder, Protocol):
    """A decoder of pictures whose VAE's decoder stage `vae_decoder` trains alone."""

    def redraw(
        self, media: Sequence[Any], noise: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Decoded from noisy latents, and true: both (B, 3, H, W) in [-1, 1].

        The noise of each row has a random standard deviation of up to `noise` of the latents'.
        """


@runtime_checkable
class VocoderDecoder(AutoencodingDecoder, Protocol):
    """A decoder of sounds with a vocoder that stage `vocoder` trains."""

    def vocoder_loss(self, media: Sequence[Any]) -> Tensor:
        """The vocoder's loss per sound, (B,)."""

    def resynthesize(self, media: Sequence[Any]) -> list[Any]:
        """Sounds through spectrogram and vocoder, without the diffusion model."""


@runtime_checkable
class DeferredWeights(Protocol):
    """A module that loads some weights only when it needs them, outside its parameters."""

    @property
    def deferred_bytes(self) -> int:
        """The size of these weights."""


def is_sampled_alone(request: RenderRequest) -> bool:
    """Whether a row must not share its batch, so that nothing about it depends on the others.

    Libraries choose kernels by the size of a batch, and with them the order of sums. So on a CPU
    rows are sampled one by one: all shapes then follow from the row itself. On an accelerator they
    are sampled together, and the last bits of a row may depend on how many there are.
    """
    return request.condition.device.type == "cpu"


def no_progress(step: int, total: int) -> None:
    """An `on_step` that does nothing."""


def never() -> bool:
    """A `cancelled` that is never true."""
    return False


def unconditional(decoder: Decoder, negative: str = "") -> Tensor:
    """The condition (1, T, W) that guidance leads away from; training learns it for ""."""
    with torch.no_grad():
        return decoder.encode_prompt([negative])


def pooled_condition(condition: Tensor) -> Tensor:
    """The last token (B, W) with unit variance: a causal text encoder summarizes the rest there."""
    return F.layer_norm(condition[:, -1], condition.shape[-1:])

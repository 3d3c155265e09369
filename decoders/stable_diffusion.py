"""Images: Stable Diffusion (Rombach et al. 2022), of any size, on our shared diffusion loop."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from anygen.core.media import Image
from anygen.core.modality import MediaModality
from anygen.numerics.batch_invariant import stabilize_rows
from decoders.base import (
    Cancelled,
    ConditionSpec,
    OnStep,
    RenderRequest,
    SampleOptions,
    SchedulerName,
)
from decoders.parts.autoencoder import PatchAutoencoder, new_autoencoder
from decoders.parts.caption_encoder import CaptionEncoder
from decoders.parts.conditioning import Layout, LayoutSettings, Summary
from decoders.parts.latent_diffusion import (
    LatentDecoder,
    check_steps_and_guidance,
    sample_latents,
)
from decoders.parts.limits import check_modality, check_side
from decoders.parts.pictures import to_pictures, to_uint8
from decoders.parts.pretrained import PartSettings, read_autoencoder, read_part, read_scheduler
from decoders.parts.published_captions import CLIP, PublishedCaptions


class Config(PartSettings):
    """With published parts: Stable Diffusion 1.5, 2.1 and what else has their layout.

    Without: `vae`, `unet`, `text_encoder` and `scheduler` are settings of the diffusers classes.
    A U-Net with `time_cond_proj_dim` gets a summary of the condition there; the channels
    of a `layout` stand beside the latents. Stable Diffusion itself has neither.
    """

    sized = ("size",)
    known = (*PartSettings.known, "patch", "fold", "layout")

    size: PositiveInt | None = None  # pixels along each side; a published U-Net knows its own
    patch: PositiveInt = 4
    fold: PositiveInt = 1
    layout: LayoutSettings | None = None
    steps: PositiveInt = 25
    solver: SchedulerName = "dpm++"  # unless an answer asks for another
    guidance: PositiveFloat = 7.5


TINY = Config(
    size=16,
    patch=2,
    vae={
        "block_out_channels": [16, 16],
        "down_block_types": ["DownEncoderBlock2D"] * 2,
        "up_block_types": ["UpDecoderBlock2D"] * 2,
        "latent_channels": 4,
        "norm_num_groups": 4,
        "layers_per_block": 1,
    },
    unet={
        "block_out_channels": [16, 32],
        "down_block_types": ["CrossAttnDownBlock2D"] * 2,
        "up_block_types": ["CrossAttnUpBlock2D"] * 2,
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "attention_head_dim": 2,
        "cross_attention_dim": 16,
        "time_cond_proj_dim": 16,
    },
    layout=LayoutSettings(channels=2, hidden=16),
    tokenizer="captions.json",
    tokens=8,
    text_encoder={
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    },
    scheduler={"prediction_type": "v_prediction", "beta_schedule": "squaredcos_cap_v2"},
    steps=2,
    guidance=3.0,
)


class Parts(NamedTuple):
    vae: PatchAutoencoder
    unet: Any
    text_encoder: CaptionEncoder | PublishedCaptions
    scheduler: DDIMScheduler


class StableDiffusion(LatentDecoder):
    """Weights under `frozen` are published ones, which no checkpoint of ours contains."""

    modality: MediaModality = "image"
    keep_in_fp32_modules: tuple[str, ...] = ("vae.",)

    def __init__(self, config: Config, parts: Parts) -> None:
        super().__init__()
        self.config = config
        self.frozen = ("vae.", "unet.") if config.pretrained else ()
        self.vae, self.unet, self.text_encoder, self.scheduler = parts
        self.full_size = config.size or self.unet.config.sample_size * self.vae.factor
        self.latent_shape = self.shape(SampleOptions())
        tokens, width = self.text_encoder.shape
        self.condition_spec = ConditionSpec(tokens=tokens, width=width)
        time_width = self.unet.config.time_cond_proj_dim
        self.summary = Summary(width, time_width) if time_width else None
        self.layout = self.make_layout(frames=1)
        stabilize_rows(self)

    def encode_prompt(self, captions: Sequence[str]) -> Tensor:
        return self.text_encoder(captions)

    def make_layout(self, frames: int) -> Layout | None:
        """Of pictures, or of the frames of a video; None where the settings have none."""
        if self.config.layout is None:
            return None
        width, grid = self.condition_spec.width, self.latent_shape[1:]
        return Layout(self.config.layout, width, grid, frames)

    def predict(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        noisy, told = latents.to(self.unet.dtype), condition.to(self.unet.dtype)
        summary = self.summary(told) if self.summary else None
        if self.layout:
            noisy = torch.cat([noisy, self.layout(told)[:, 0]], dim=1)
        made: Tensor = self.unet(noisy, timesteps, told, timestep_cond=summary).sample
        return made.to(latents.dtype)

    def check(self, options: SampleOptions) -> None:
        check_steps_and_guidance(self, options)
        check_modality(options, self.modality)
        self.check_size(self.size(options))

    def check_size(self, size: int) -> None:
        """Raises ValueError where the layout was learned for another, or no latents cover it."""
        if self.layout and size != self.full_size:
            raise ValueError(
                f"size: {size} pixels cannot be made: what this decoder learned of where things "
                f"are is for {self.full_size} pixels only"
            )
        check_side(size, self.vae.factor)

    def size(self, options: SampleOptions) -> int:
        return options.size or self.full_size

    def shape(self, options: SampleOptions) -> tuple[int, ...]:
        side = self.size(options) // self.vae.factor
        return (self.vae.channels, side, side)

    def sample(
        self, requests: Sequence[RenderRequest], on_step: OnStep, cancelled: Cancelled
    ) -> list[Image]:
        return self.from_latents(sample_latents(self, requests, on_step, cancelled))

    def autoencoding_loss(self, media: Sequence[Image], generator: torch.Generator) -> Tensor:
        return self.vae.loss(self._pictures(media, self.full_size), generator)

    @torch.no_grad()
    def to_latents(
        self, media: Sequence[Image], options: SampleOptions = SampleOptions()
    ) -> Tensor:
        return self.vae.encode(self._pictures(media, self.size(options))).float()

    @torch.no_grad()
    def from_latents(self, latents: Tensor) -> list[Image]:
        return [Image(pixels) for pixels in to_uint8(self.vae.decode(latents))]

    def _pictures(self, media: Sequence[Image], size: int) -> Tensor:
        frames = [image.pixels.to(self.vae.mean.device) for image in media]
        return to_pictures(frames, (size, size))


def build(config: Config, folder: Path, **_: Any) -> StableDiffusion:
    """Raises ValueError where published parts are not there, or cannot be read."""
    if config.pretrained is None:
        return StableDiffusion(config, new_parts(config, folder))
    return StableDiffusion(
        config, published_parts(UNet2DConditionModel, config.pretrained, config.tokens)
    )


def published_parts(unet: Any, source: str, tokens: int | None) -> Parts:
    """Of a pipeline whose denoiser is of the class `unet`."""
    captions = PublishedCaptions(source, CLIP, tokens)  # first: it leaves before the others come
    denoiser = read_part(unet, source, "unet")
    return Parts(read_autoencoder(source), denoiser, captions, read_scheduler(source))


def new_parts(config: Config, folder: Path) -> Parts:
    """Random weights."""
    assert config.size  # or the settings would have been refused
    vae = new_autoencoder(3, config.patch, config.fold, config.vae)
    unet = UNet2DConditionModel(
        sample_size=config.size // vae.factor,
        in_channels=vae.channels + (config.layout.channels if config.layout else 0),
        out_channels=vae.channels,
        **config.unet,
    )
    # Plain attention: the backward pass of the CPU's fused kernel is several times slower.
    unet.set_attn_processor(AttnProcessor())
    captions = CaptionEncoder(folder / config.tokenizer, config.own_tokens, config.text_encoder)
    return Parts(vae, unet, captions, DDIMScheduler(**config.scheduler))

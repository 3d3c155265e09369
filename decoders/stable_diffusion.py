"""Images: Stable Diffusion (Rombach et al. 2022), of any size, on our shared diffusion loop."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import UNet2DConditionModel
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from anygen.core.media import Image
from anygen.core.modality import MediaModality
from decoders.base import (
    Cancelled,
    ConditionSpec,
    OnStep,
    RenderRequest,
    SampleOptions,
    SchedulerName,
)
from decoders.parts.autoencoder import new_autoencoder
from decoders.parts.conditioning import Layout, LayoutSettings, Summary
from decoders.parts.latent_diffusion import (
    LatentDecoder,
    check_steps_and_guidance,
    sample_latents,
)
from decoders.parts.latent_parts import (
    TINY_PARTS,
    TINY_UNET,
    Parts,
    new_parts,
    pretrained_parts,
)
from decoders.parts.limits import check_modality, check_side
from decoders.parts.pictures import to_pictures, to_uint8
from decoders.parts.pretrained import PartSettings
from decoders.parts.pretrained_captions import CLIP


class Config(PartSettings):
    """With pretrained parts: Stable Diffusion 1.5, 2.1 and others of their layout.

    Without: `vae`, `unet`, `text_encoder` and `scheduler` are settings of the diffusers classes. A
    U-Net with `time_cond_proj_dim` gets a summary of the condition there, and the channels of a
    `layout` stand beside the latents. Stable Diffusion itself has neither.
    """

    sized = ("size",)
    fixed = (*PartSettings.fixed, "patch", "fold", "enlarge", "layout")

    size: PositiveInt | None = None  # pixels per side; None: as the pretrained U-Net has it
    patch: PositiveInt = 4
    fold: PositiveInt = 1
    enlarge: PositiveInt = 1  # how many times as large as the VAE's input pictures are, per side
    layout: LayoutSettings | None = None
    steps: PositiveInt = 25
    solver: SchedulerName = "dpm++"  # the default scheduler of requests
    guidance: PositiveFloat = 7.5
    posterior: Literal["mean", "sample"] = "mean"  # of a medium that is edited; sample: diffusers'


TINY = Config(
    size=16,
    patch=2,
    unet={
        **TINY_UNET,
        "down_block_types": ["CrossAttnDownBlock2D"] * 2,
        "up_block_types": ["CrossAttnUpBlock2D"] * 2,
        "time_cond_proj_dim": 16,
    },
    layout=LayoutSettings(channels=2, hidden=16),
    guidance=3.0,
    **TINY_PARTS,
)


class StableDiffusion(LatentDecoder):
    """Weights under `frozen` are published ones, which no checkpoint of ours contains."""

    config: Config
    modality: MediaModality = "image"
    keep_in_fp32_modules: tuple[str, ...] = ("vae.",)

    def __init__(self, config: Config, parts: Parts) -> None:
        super().__init__()
        self.config = config
        self.frozen = ("vae.", "unet.") if config.pretrained else ()
        self.vae, self.unet, self.text_encoder, self.scheduler = parts
        self.samples_posterior = config.posterior == "sample"
        self.full_size = config.size or self.unet.config.sample_size * self.vae.factor
        self.latent_shape = self.shape(SampleOptions())
        tokens, width = self.text_encoder.shape
        self.condition_spec = ConditionSpec(tokens=tokens, width=width)
        time_width = self.unet.config.time_cond_proj_dim
        self.summary = Summary(width, time_width) if time_width else None
        self.layout = self.make_layout(frames=1)

    def make_layout(self, frames: int) -> Layout | None:
        """For pictures, or the frames of a video. None if the settings have no layout."""
        if self.config.layout is None:
            return None
        width, grid = self.condition_spec.width, self.latent_shape[1:]
        return Layout(self.config.layout, width, grid, frames)

    def predict(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        noisy, condition = latents.to(self.unet.dtype), condition.to(self.unet.dtype)
        summary = self.summary(condition) if self.summary else None
        if self.layout:
            noisy = torch.cat([noisy, self.layout(condition)[:, 0]], dim=1)
        predicted: Tensor = self.unet(noisy, timesteps, condition, timestep_cond=summary).sample
        return predicted.to(latents.dtype)

    def check(self, options: SampleOptions) -> None:
        check_steps_and_guidance(self, options)
        check_modality(options, self.modality)
        self.check_size(self.size(options))

    def check_size(self, size: int) -> None:
        """Raises ValueError if the layout has another size, or latents cannot cover this one."""
        if self.layout and size != self.full_size:
            raise ValueError(
                f"size: {size} pixels cannot be made: this decoder learned where things are for "
                f"{self.full_size} pixels only"
            )
        check_side(size, self.vae.factor)

    def size(self, options: SampleOptions) -> int:
        return options.size or self.full_size

    def shape(self, options: SampleOptions) -> tuple[int, ...]:
        side = self.size(options) // self.vae.factor
        return (self.vae.channels, side, side)

    def sample_batch(
        self, requests: Sequence[RenderRequest], on_step: OnStep, cancelled: Cancelled
    ) -> list[Image]:
        latents = sample_latents(self, requests, on_step, cancelled, self.from_latents)
        return self.from_latents(latents)

    def autoencoding_loss(self, media: Sequence[Image], generator: torch.Generator) -> Tensor:
        return self.vae.loss(self._pictures(media, self.full_size), generator)

    def redraw(
        self, media: Sequence[Image], noise: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        true = self._pictures(media, self.full_size)
        with torch.no_grad():
            latents = self.vae.encode(true)
        sigmas = torch.rand(len(latents), 1, 1, 1, generator=generator) * noise
        added = sigmas * torch.randn(latents.shape, generator=generator)
        return self.vae.decode(latents + added.to(latents.device)).float(), true

    @torch.no_grad()
    def to_latents(
        self,
        media: Sequence[Image],
        options: SampleOptions = SampleOptions(),
        generator: torch.Generator | None = None,
    ) -> Tensor:
        return self.vae.encode(self._pictures(media, self.size(options)), generator).float()

    @torch.no_grad()
    def from_latents(self, latents: Tensor) -> list[Image]:
        return [Image(pixels) for pixels in to_uint8(self.vae.decode(latents))]

    def _pictures(self, media: Sequence[Image], size: int) -> Tensor:
        frames = [image.pixels.to(self.vae.mean.device) for image in media]
        return to_pictures(frames, (size, size))


def check_layout(source: str, parts: Parts) -> None:
    """Raises ValueError for a pipeline of another layout, as SDXL's with two text encoders."""
    settings, (_, width) = parts.unet.config, parts.text_encoder.shape
    if settings.addition_embed_type or settings.cross_attention_dim != width:
        raise ValueError(
            f"{source!r} has another layout than Stable Diffusion 1.5 and 2.1: its U-Net takes "
            "more than the output of text_encoder, as SDXL's does; name the decoder "
            "diffusers_pipeline"
        )


def build(config: Config, folder: Path, **_: Any) -> StableDiffusion:
    """Raises ValueError if pretrained parts are missing or damaged."""
    if config.pretrained:
        parts = pretrained_parts(UNet2DConditionModel, config.pretrained, CLIP, config.tokens)
        check_layout(config.pretrained, parts)
        return StableDiffusion(config, parts)
    assert config.size  # checked by PartSettings
    vae = new_autoencoder(3, config.patch, config.fold, config.vae, config.enlarge)
    parts = new_parts(
        UNet2DConditionModel,
        config,
        folder,
        vae,
        extra_channels=config.layout.channels if config.layout else 0,
        sample_size=config.size // vae.factor,
    )
    return StableDiffusion(config, parts)

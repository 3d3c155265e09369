"""Images: Stable Diffusion (Rombach et al. 2022), of any size, on our shared diffusion loop."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from anygen.media import Image
from anygen.modality import MediaModality
from anygen.records import Strict
from decoders.base import Cancelled, ConditionSpec, OnStep, SampleOptions, Task
from decoders.parts.autoencoder import PatchAutoencoder
from decoders.parts.caption_encoder import CaptionEncoder
from decoders.parts.conditioning import Layout, LayoutSettings, Summary
from decoders.parts.latent_diffusion import (
    BatchKey,
    batch_key,
    check_steps_and_guidance,
    denoising_loss,
    normal_rows,
    refuse,
    sample_latents,
)
from decoders.parts.rows import stabilize_rows


class Config(Strict):
    """`vae`, `unet`, `text_encoder` and `scheduler` are settings of the diffusers classes.

    A U-Net with `time_cond_proj_dim` gets a summary of the condition there; the channels
    of a `layout` stand beside the latents. Stable Diffusion itself has neither.
    """

    size: PositiveInt = 64  # pixels along each side
    patch: PositiveInt = 4
    fold: PositiveInt = 1
    vae: dict[str, Any]
    unet: dict[str, Any]
    layout: LayoutSettings | None = None
    tokenizer: str  # file beside the system's YAML
    tokens: PositiveInt = 24
    text_encoder: dict[str, Any]
    scheduler: dict[str, Any] = {}
    steps: PositiveInt = 20
    guidance: PositiveFloat = 3.0


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
)


class StableDiffusion(nn.Module):
    modality: MediaModality = "image"
    safe = ("vae.",)

    def __init__(self, config: Config, folder: Path) -> None:
        super().__init__()
        self.config = config
        self.vae = PatchAutoencoder(3, config.patch, config.fold, config.vae)
        self.latent_shape = self.shape(SampleOptions())
        channels, side = self.latent_shape[:2]
        self.unet = UNet2DConditionModel(
            sample_size=side,
            in_channels=channels + (config.layout.channels if config.layout else 0),
            out_channels=channels,
            **config.unet,
        )
        # Plain attention: the backward pass of the CPU's fused kernel is several times slower.
        self.unet.set_attn_processor(AttnProcessor())
        self.text_encoder = CaptionEncoder(
            folder / config.tokenizer, config.tokens, config.text_encoder
        )
        self.scheduler = DDIMScheduler(**config.scheduler)
        width = self.text_encoder.model.config.hidden_size
        self.condition_spec = ConditionSpec(tokens=config.tokens, width=width)
        time_width = self.unet.config.time_cond_proj_dim
        self.summary = Summary(width, time_width) if time_width else None
        self.layout = self.make_layout(frames=1)
        stabilize_rows(self)

    def caption_condition(self, captions: Sequence[str]) -> Tensor:
        return self.text_encoder(captions)

    def make_layout(self, frames: int) -> Layout | None:
        """Of pictures, or of the frames of a video; None where the settings have none."""
        if self.config.layout is None:
            return None
        width, grid = self.condition_spec.width, self.latent_shape[1:]
        return Layout(self.config.layout, width, grid, frames)

    def predict(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        summary = self.summary(condition) if self.summary else None
        if self.layout:
            latents = torch.cat([latents, self.layout(condition)[:, 0]], dim=1)
        return self.unet(latents, timesteps, condition, timestep_cond=summary).sample

    def check(self, options: SampleOptions) -> None:
        check_steps_and_guidance(self, options)
        refuse(options, ["frames", "seconds"], "an image")
        self.check_size(self.size(options))

    def check_size(self, size: int) -> None:
        """Raises ValueError where the layout was learned for another, or no latents cover it."""
        if self.layout and size != self.config.size:
            raise ValueError(
                f"size: {size} pixels cannot be made: what this decoder learned of where things "
                f"are is for {self.config.size} pixels only"
            )
        if size % self.vae.factor:
            larger = size + -size % self.vae.factor
            raise ValueError(
                f"size: {size} pixels are no multiple of {self.vae.factor}, the pixels along a "
                f"latent; {larger} are"
            )

    def size(self, options: SampleOptions) -> int:
        return options.size or self.config.size

    def shape(self, options: SampleOptions) -> tuple[int, ...]:
        side = self.size(options) // self.vae.factor
        return (self.vae.channels, side, side)

    def batch_key(self, task: Task) -> BatchKey:
        return batch_key(self, task)

    def sample(self, tasks: Sequence[Task], on_step: OnStep, cancelled: Cancelled) -> list[Image]:
        return self.from_latents(sample_latents(self, tasks, on_step, cancelled))

    def loss(
        self, media: Sequence[Image], conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        return self.latent_loss(self.to_latents(media), conditions, generators)

    def latent_loss(
        self, latents: Tensor, conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        noise = self.noise(latents.shape[1:], generators).to(latents.device)
        return denoising_loss(self.predict, self.scheduler, latents, noise, conditions, generators)

    def noise(self, shape: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
        return normal_rows(shape, generators)

    def autoencoding_loss(self, media: Sequence[Image], generator: torch.Generator) -> Tensor:
        return self.vae.loss(self._pictures(media, self.config.size), generator)

    @torch.no_grad()
    def to_latents(
        self, media: Sequence[Image], options: SampleOptions = SampleOptions()
    ) -> Tensor:
        return self.vae.encode(self._pictures(media, self.size(options))).float()

    @torch.no_grad()
    def from_latents(self, latents: Tensor) -> list[Image]:
        return [Image(pixels) for pixels in to_uint8(self.vae.decode(latents))]

    def _pictures(self, media: Sequence[Image], size: int) -> Tensor:
        """(B, 3, size, size) in [-1, 1]; pictures of another size are squeezed into it."""
        rows = [image.pixels[None].to(self.vae.mean.device).float() for image in media]
        fitted = [F.interpolate(r, (size, size), mode="bicubic", antialias=True) for r in rows]
        return torch.cat(fitted).clamp(0, 255) / 127.5 - 1


def to_uint8(pictures: Tensor) -> Tensor:
    """(..., 3, H, W) in [-1, 1] -> uint8 on the CPU."""
    return ((pictures.float().clamp(-1, 1) + 1) * 127.5).round().byte().cpu()


def build(config: Config, folder: Path, **_: Any) -> StableDiffusion:
    return StableDiffusion(config, folder)

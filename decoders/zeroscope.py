"""Video: Zeroscope on ModelScope's text-to-video network (Wang et al. 2023), a U-Net in 3-D."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet3DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from anygen.core.media import Video
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
from decoders.parts.autoencoder import new_autoencoder
from decoders.parts.caption_encoder import CaptionEncoder
from decoders.parts.latent_diffusion import (
    LatentDecoder,
    check_steps_and_guidance,
    sample_latents,
)
from decoders.parts.limits import check_modality, check_side
from decoders.parts.pictures import spread, to_pictures, to_uint8
from decoders.parts.pretrained import PartSettings
from decoders.stable_diffusion import Parts, published_parts


class Config(PartSettings):
    """Without published parts `vae`, `unet`, ... are settings of the diffusers classes."""

    known = (*PartSettings.known, "patch")

    size: tuple[PositiveInt, PositiveInt] = (320, 576)  # pixels: height and width
    frames: PositiveInt = 24
    fps: PositiveFloat = 8.0
    patch: PositiveInt = 1
    steps: PositiveInt = 25
    solver: SchedulerName = "dpm++"  # unless an answer asks for another
    guidance: PositiveFloat = 7.5


TINY = Config(
    size=(16, 16),
    frames=4,
    vae={
        "block_out_channels": [16, 16],
        "down_block_types": ["DownEncoderBlock2D"] * 2,
        "up_block_types": ["UpDecoderBlock2D"] * 2,
        "latent_channels": 4,
        "norm_num_groups": 4,
        "layers_per_block": 1,
    },
    patch=2,
    unet={
        "block_out_channels": [16, 32],
        "down_block_types": ["CrossAttnDownBlock3D", "DownBlock3D"],
        "up_block_types": ["UpBlock3D", "CrossAttnUpBlock3D"],
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "attention_head_dim": 4,
        "cross_attention_dim": 16,
    },
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


class Zeroscope(LatentDecoder):
    """Weights under `frozen` are published ones, which no checkpoint of ours contains."""

    modality: MediaModality = "video"
    keep_in_fp32_modules: tuple[str, ...] = ("vae.",)

    def __init__(self, config: Config, parts: Parts) -> None:
        super().__init__()
        self.config = config
        self.frozen = ("vae.", "unet.") if config.pretrained else ()
        self.vae, self.unet, self.text_encoder, self.scheduler = parts
        self.latent_shape = self.shape(SampleOptions())
        tokens, width = self.text_encoder.shape
        self.condition_spec = ConditionSpec(tokens=tokens, width=width)
        stabilize_rows(self)

    def encode_prompt(self, captions: Sequence[str]) -> Tensor:
        return self.text_encoder(captions)

    def predict(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        noisy, told = latents.to(self.unet.dtype), condition.to(self.unet.dtype)
        made: Tensor = self.unet(noisy, timesteps, told).sample
        return made.to(latents.dtype)

    def check(self, options: SampleOptions) -> None:
        check_steps_and_guidance(self, options)
        check_modality(options, self.modality)
        for pixels in self.size(options):
            check_side(pixels, self.vae.factor)

    def size(self, options: SampleOptions) -> tuple[int, int]:
        """Height and width."""
        return (options.size, options.size) if options.size else self.config.size

    def frames(self, options: SampleOptions) -> int:
        return options.frames or self.config.frames

    def shape(self, options: SampleOptions) -> tuple[int, ...]:
        height, width = (pixels // self.vae.factor for pixels in self.size(options))
        return (self.vae.channels, self.frames(options), height, width)

    def sample(
        self, requests: Sequence[RenderRequest], on_step: OnStep, cancelled: Cancelled
    ) -> list[Video]:
        latents = sample_latents(self, requests, on_step, cancelled)
        return [self.from_latents(row) for row in latents]

    @torch.no_grad()
    def to_latents(
        self, media: Sequence[Video], options: SampleOptions = SampleOptions()
    ) -> Tensor:
        """(B, C, frames, h, w)."""
        rows = [self.vae.encode(self._pictures(video, options)).float() for video in media]
        return torch.stack(rows).transpose(1, 2)

    @torch.no_grad()
    def from_latents(self, latents: Tensor) -> Video:
        """(C, frames, h, w) -> one video."""
        return Video(to_uint8(self.vae.decode(latents.transpose(0, 1))), self.config.fps)

    def autoencoding_loss(self, media: Sequence[Video], generator: torch.Generator) -> Tensor:
        frames = [self._pictures(video, SampleOptions()) for video in media]
        return self.vae.loss(torch.cat(frames), generator)

    def _pictures(self, video: Video, options: SampleOptions) -> Tensor:
        frames = spread(video, self.frames(options)).to(self.vae.mean.device)
        return to_pictures(list(frames), self.size(options))


def build(config: Config, folder: Path, **_: Any) -> Zeroscope:
    """Raises ValueError where published parts are not there, or cannot be read."""
    if config.pretrained is None:
        return Zeroscope(config, new_parts(config, folder))
    return Zeroscope(
        config, published_parts(UNet3DConditionModel, config.pretrained, config.tokens)
    )


def new_parts(config: Config, folder: Path) -> Parts:
    """Random weights."""
    vae = new_autoencoder(3, config.patch, 1, config.vae)
    unet = UNet3DConditionModel(in_channels=vae.channels, out_channels=vae.channels, **config.unet)
    unet.set_attn_processor(AttnProcessor())  # see decoders/stable_diffusion.py
    captions = CaptionEncoder(folder / config.tokenizer, config.own_tokens, config.text_encoder)
    return Parts(vae, unet, captions, DDIMScheduler(**config.scheduler))

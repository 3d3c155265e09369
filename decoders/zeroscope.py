"""Video: Zeroscope on ModelScope's text-to-video network (Wang et al. 2023), a U-Net in 3-D."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet3DConditionModel
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from anygen.core.media import Video
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
from decoders.parts.pictures import resample_frames, to_pictures, to_uint8
from decoders.parts.pretrained import PartSettings
from decoders.parts.pretrained_captions import CLIP


class Config(PartSettings):
    """Without pretrained parts `vae`, `unet` and so on are settings of the diffusers classes."""

    fixed = (*PartSettings.fixed, "patch")

    size: tuple[PositiveInt, PositiveInt] = (320, 576)  # pixels: height and width
    frames: PositiveInt = 24
    fps: PositiveFloat = 8.0
    patch: PositiveInt = 1
    steps: PositiveInt = 25
    solver: SchedulerName = "dpm++"  # the default scheduler of requests
    guidance: PositiveFloat = 7.5


TINY = Config(
    size=(16, 16),
    frames=4,
    patch=2,
    unet={
        **TINY_UNET,
        "down_block_types": ["CrossAttnDownBlock3D", "DownBlock3D"],
        "up_block_types": ["UpBlock3D", "CrossAttnUpBlock3D"],
        "attention_head_dim": 4,
    },
    guidance=3.0,
    **TINY_PARTS,
)


class Zeroscope(LatentDecoder):
    """Weights under `frozen` are published ones, which no checkpoint of ours contains."""

    config: Config
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

    def predict(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        noisy, condition = latents.to(self.unet.dtype), condition.to(self.unet.dtype)
        predicted: Tensor = self.unet(noisy, timesteps, condition).sample
        return predicted.to(latents.dtype)

    def check(self, options: SampleOptions) -> None:
        check_steps_and_guidance(self, options)
        check_modality(options, self.modality)
        for pixels in self.size(options):
            check_side(pixels, self.vae.factor)

    def size(self, options: SampleOptions) -> tuple[int, int]:
        """Height and width."""
        return (options.size, options.size) if options.size else self.config.size

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.config.fps

    def frames(self, options: SampleOptions) -> int:
        return options.frames or self.config.frames

    def shape(self, options: SampleOptions) -> tuple[int, ...]:
        height, width = (pixels // self.vae.factor for pixels in self.size(options))
        return (self.vae.channels, self.frames(options), height, width)

    def sample_batch(
        self, requests: Sequence[RenderRequest], on_step: OnStep, cancelled: Cancelled
    ) -> list[Video]:
        return self.from_latents(sample_latents(self, requests, on_step, cancelled))

    @torch.no_grad()
    def to_latents(
        self, media: Sequence[Video], options: SampleOptions = SampleOptions()
    ) -> Tensor:
        """(B, C, frames, h, w)."""
        rows = [self.vae.encode(self._pictures(video, options)).float() for video in media]
        return torch.stack(rows).transpose(1, 2)

    @torch.no_grad()
    def from_latents(self, latents: Tensor) -> list[Video]:
        """(B, C, frames, h, w) -> one video per row."""
        rows = latents.transpose(1, 2)
        return [Video(to_uint8(self.vae.decode(frames)), self.config.fps) for frames in rows]

    def autoencoding_loss(self, media: Sequence[Video], generator: torch.Generator) -> Tensor:
        frames = [self._pictures(video, SampleOptions()) for video in media]
        return self.vae.loss(torch.cat(frames), generator)

    def _pictures(self, video: Video, options: SampleOptions) -> Tensor:
        frames = resample_frames(video, self.frames(options)).to(self.vae.mean.device)
        return to_pictures(list(frames), self.size(options))


def build(config: Config, folder: Path, **_: Any) -> Zeroscope:
    """Raises ValueError if pretrained parts are missing or damaged."""
    if config.pretrained:
        parts = pretrained_parts(UNet3DConditionModel, config.pretrained, CLIP, config.tokens)
    else:
        vae = new_autoencoder(3, config.patch, 1, config.vae)
        parts = new_parts(UNet3DConditionModel, config, folder, vae)
    return Zeroscope(config, parts)

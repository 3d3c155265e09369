"""Video: AnimateDiff (Guo et al. 2023). Motion modules between the layers of the image decoder."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import UNet2DConditionModel, UNetMotionModel
from diffusers.models.attention_processor import AttnProcessor
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from anygen.media import Image, Video
from anygen.modality import MediaModality
from anygen.records import Strict
from decoders.base import Cancelled, ConditionSpec, OnStep, SampleOptions
from decoders.parts.conditioning import Layout
from decoders.parts.latent_diffusion import (
    denoising_loss,
    make_plan,
    normal_rows,
    sample_latents,
    seeded,
    solver,
)
from decoders.stable_diffusion import StableDiffusion

# What a block of UNetMotionModel has in common with the block of the 2-D U-Net that it extends.
SPATIAL_PARTS = ("resnets", "attentions", "downsamplers", "upsamplers")
SPATIAL_ENDS = ("conv_in", "time_proj", "time_embedding", "conv_norm_out", "conv_out")


class Config(Strict):
    """VAE, U-Net and text encoder are those of the image decoder: the weights are shared."""

    frames: PositiveInt = 16
    fps: PositiveFloat = 8.0
    motion_heads: PositiveInt = 4
    shared_noise: float = Field(default=0.5, ge=0, lt=1)  # share of the noise's variance
    steps: PositiveInt = 20
    guidance: PositiveFloat = 3.0


TINY = Config(frames=4, motion_heads=2, steps=2)


class AnimateDiff(nn.Module):
    modality: MediaModality = "video"

    def __init__(self, config: Config, image: StableDiffusion) -> None:
        super().__init__()
        self.config = config
        self.image = image
        self.unet = with_motion(image.unet, config)
        channels, height, width = image.latent_shape
        self.latent_shape = (channels, config.frames, height, width)
        self.condition_spec: ConditionSpec = image.condition_spec
        self.layout = still(image.make_layout(config.frames))

    def caption_condition(self, captions: Sequence[str]) -> Tensor:
        return self.image.caption_condition(captions)

    def predict(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        per_frame = condition.repeat_interleave(latents.shape[2], dim=0)  # (B * frames, T, W)
        summary = self.image.summary(condition) if self.image.summary else None
        if self.layout and self.image.layout:
            layouts = self.image.layout(condition) + self.layout(condition)  # (B, frames, K, h, w)
            latents = torch.cat([latents, layouts.transpose(1, 2)], dim=1)
        return self.unet(latents, timesteps, per_frame, timestep_cond=summary).sample

    def sample(
        self,
        conditions: Tensor,
        seeds: Sequence[int],
        options: SampleOptions,
        on_step: OnStep,
        cancelled: Cancelled,
    ) -> list[Video]:
        start = self.noise(seeded(seeds), conditions)
        plan = make_plan(self, self.image.scheduler, options, on_step, cancelled)
        latents = sample_latents(
            self.predict, solver(self.image.scheduler), start, conditions, plan
        )
        return [self.from_latents(row) for row in latents]

    def loss(
        self, media: Sequence[Video], conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        return self.latent_loss(self.to_latents(media), conditions, generators)

    def latent_loss(
        self, latents: Tensor, conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        noise = self.noise(generators, latents)
        return denoising_loss(
            self.predict, self.image.scheduler, latents, noise, conditions, generators
        )

    def noise(self, generators: Sequence[torch.Generator], like: Tensor) -> Tensor:
        """Normal noise (B, C, frames, h, w) of which all frames share a part.

        What is the same in every frame then has the same beginning (Ge et al. 2023, PYoCo).
        """
        own = normal_rows(self.latent_shape, generators, like)
        channels, _, height, width = self.latent_shape
        shared = normal_rows((channels, 1, height, width), generators, like)
        part = self.config.shared_noise
        return part**0.5 * shared + (1 - part) ** 0.5 * own

    def to_latents(self, media: Sequence[Video]) -> Tensor:
        """(B, C, frames, h, w)."""
        rows = [self.image.to_latents([Image(f) for f in self._frames(video)]) for video in media]
        return torch.stack(rows).transpose(1, 2)

    def from_latents(self, latents: Tensor) -> Video:
        """(C, frames, h, w) -> one video."""
        images = self.image.from_latents(latents.transpose(0, 1))
        return Video(torch.stack([image.pixels for image in images]), self.config.fps)

    def _frames(self, video: Video) -> Tensor:
        """Exactly `config.frames` of the video's frames, uniform in time."""
        count = video.frames.shape[0]
        return video.frames[torch.linspace(0, count - 1, self.config.frames).round().long()]


def with_motion(unet: UNet2DConditionModel, config: Config) -> UNetMotionModel:
    """The image U-Net with motion modules; all spatial layers are the same objects."""
    heads = unet.config.num_attention_heads or unet.config.attention_head_dim
    motion = UNetMotionModel(
        sample_size=unet.config.sample_size,
        in_channels=unet.config.in_channels,
        out_channels=unet.config.out_channels,
        down_block_types=motion_types(unet.config.down_block_types),
        up_block_types=motion_types(unet.config.up_block_types),
        block_out_channels=unet.config.block_out_channels,
        layers_per_block=unet.config.layers_per_block,
        norm_num_groups=unet.config.norm_num_groups,
        cross_attention_dim=unet.config.cross_attention_dim,
        num_attention_heads=heads if isinstance(heads, int) else tuple(heads),
        motion_max_seq_length=config.frames,
        motion_num_attention_heads=config.motion_heads,
        use_motion_mid_block=False,
        time_cond_proj_dim=unet.config.time_cond_proj_dim,
    )
    share_spatial_layers(motion, unet)
    start_still(motion)
    motion.set_attn_processor(AttnProcessor())  # see decoders/stable_diffusion.py
    return motion


def motion_types(block_types: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.replace("Block2D", "BlockMotion") for name in block_types)


def share_spatial_layers(motion: UNetMotionModel, unet: UNet2DConditionModel) -> None:
    for name in SPATIAL_ENDS:
        setattr(motion, name, getattr(unet, name))
    motion.mid_block = unet.mid_block
    pairs = [*zip(motion.down_blocks, unet.down_blocks), *zip(motion.up_blocks, unet.up_blocks)]
    for motion_block, block in pairs:
        for name in SPATIAL_PARTS:
            if hasattr(block, name):
                setattr(motion_block, name, getattr(block, name))


def start_still(motion: UNetMotionModel) -> None:
    """Untrained motion modules add nothing: every frame begins as the image decoder's picture."""
    for name, module in motion.named_modules():
        if ".motion_modules." in name and name.endswith(".proj_out"):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)


def still(layout: Layout | None) -> Layout | None:
    """Untrained, it adds nothing to the layout of the image decoder's picture."""
    if layout:
        nn.init.zeros_(layout.outward.weight)
        nn.init.zeros_(layout.outward.bias)
    return layout


def build(config: Config, decoders: Mapping[str, Any], **_: Any) -> AnimateDiff:
    """`decoders` holds the decoders built so far; the image decoder must be among them."""
    if not isinstance(decoders.get("image"), StableDiffusion):
        raise ValueError("animatediff extends decoders.image, which must be stable_diffusion")
    return AnimateDiff(config, decoders["image"])

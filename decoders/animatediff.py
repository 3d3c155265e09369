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
from decoders.base import Cancelled, ConditionSpec, OnStep, SampleOptions, Task
from decoders.parts.conditioning import Layout
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
        self.scheduler = image.scheduler
        self.latent_shape = self.shape(SampleOptions())
        self.condition_spec: ConditionSpec = image.condition_spec
        self.layout = still(image.make_layout(config.frames))
        stabilize_rows(self)

    def caption_condition(self, captions: Sequence[str]) -> Tensor:
        return self.image.caption_condition(captions)

    def predict(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        per_frame = condition.repeat_interleave(latents.shape[2], dim=0)  # (B * frames, T, W)
        summary = self.image.summary(condition) if self.image.summary else None
        if self.layout and self.image.layout:
            layouts = self.image.layout(condition) + self.layout(condition)  # (B, frames, K, h, w)
            latents = torch.cat([latents, layouts.transpose(1, 2)], dim=1)
        return self.unet(latents, timesteps, per_frame, timestep_cond=summary).sample

    def check(self, options: SampleOptions) -> None:
        check_steps_and_guidance(self, options)
        refuse(options, ["seconds"], "a video")
        self.image.check_size(self.image.size(options))
        learned, frames = self.config.frames, self.frames(options)
        if frames > learned or (self.layout and frames != learned):
            raise ValueError(
                f"frames: {frames} cannot be made: this decoder learned of motion "
                f"{'in exactly' if self.layout else 'in up to'} {learned} frames"
            )

    def frames(self, options: SampleOptions) -> int:
        return options.frames or self.config.frames

    def shape(self, options: SampleOptions) -> tuple[int, ...]:
        channels, height, width = self.image.shape(options)
        return (channels, self.frames(options), height, width)

    def batch_key(self, task: Task) -> BatchKey:
        return batch_key(self, task)

    def sample(self, tasks: Sequence[Task], on_step: OnStep, cancelled: Cancelled) -> list[Video]:
        latents = sample_latents(self, tasks, on_step, cancelled)
        return [self.from_latents(row) for row in latents]

    def loss(
        self, media: Sequence[Video], conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        return self.latent_loss(self.to_latents(media), conditions, generators)

    def latent_loss(
        self, latents: Tensor, conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        noise = self.noise(latents.shape[1:], generators).to(latents.device)
        return denoising_loss(self.predict, self.scheduler, latents, noise, conditions, generators)

    def noise(self, shape: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
        """Normal noise (B, C, frames, h, w) of which all frames share a part.

        What is the same in every frame then has the same beginning (Ge et al. 2023, PYoCo).
        """
        own = normal_rows(shape, generators)
        channels, _, height, width = shape
        shared = normal_rows((channels, 1, height, width), generators)
        part = self.config.shared_noise
        return part**0.5 * shared + (1 - part) ** 0.5 * own

    def to_latents(
        self, media: Sequence[Video], options: SampleOptions = SampleOptions()
    ) -> Tensor:
        """(B, C, frames, h, w)."""
        rows = [
            self.image.to_latents([Image(f) for f in spread(video, self.frames(options))], options)
            for video in media
        ]
        return torch.stack(rows).transpose(1, 2)

    def from_latents(self, latents: Tensor) -> Video:
        """(C, frames, h, w) -> one video."""
        images = self.image.from_latents(latents.transpose(0, 1))
        return Video(torch.stack([image.pixels for image in images]), self.config.fps)


def spread(video: Video, frames: int) -> Tensor:
    """Exactly `frames` of the video's frames, uniform in time."""
    return video.frames[torch.linspace(0, len(video.frames) - 1, frames).round().long()]


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

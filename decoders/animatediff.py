"""Video: AnimateDiff (Guo et al. 2023), motion modules between the layers of the image decoder."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import DDIMScheduler, MotionAdapter, UNet2DConditionModel, UNetMotionModel
from diffusers.models.attention_processor import Attention, AttnProcessor
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from anygen.core.media import Image, Video
from anygen.core.modality import MediaModality
from anygen.core.schema import Strict
from decoders.base import (
    Cancelled,
    ConditionSpec,
    OnStep,
    RenderRequest,
    SampleOptions,
    SchedulerName,
)
from decoders.parts.conditioning import Layout
from decoders.parts.latent_diffusion import (
    LatentDecoder,
    check_steps_and_guidance,
    clean_latents,
    normal_rows,
    prediction_of,
    sample_latents,
)
from decoders.parts.limits import check_modality
from decoders.parts.pictures import resample_frames
from decoders.parts.pretrained import read_part
from decoders.stable_diffusion import StableDiffusion

# The parts that a block of UNetMotionModel shares with the block of the 2-D U-Net it extends.
SPATIAL_PARTS = ("resnets", "attentions", "downsamplers", "upsamplers")
SPATIAL_ENDS = ("conv_in", "time_proj", "time_embedding", "conv_norm_out", "conv_out")
MOTION_HEADS = 8  # as published


class Config(Strict):
    """VAE, U-Net and text encoder are those of the image decoder, which shares its weights."""

    motion: str | None = None  # a published MotionAdapter: a folder or a Hugging Face id
    motion_heads: PositiveInt = MOTION_HEADS  # of new motion modules
    frames: PositiveInt = 16
    fps: PositiveFloat = 8.0
    shared_noise: float = Field(default=0.0, ge=0, lt=1)  # share of the noise's variance
    still_background: bool = False  # all frames have the same
    scheduler: dict[str, Any] = {}  # changes; published adapters need {beta_schedule: linear}
    steps: PositiveInt = 25
    solver: SchedulerName = "dpm++"  # the default scheduler of requests
    guidance: PositiveFloat = 7.5

    @model_validator(mode="after")
    def _heads_of_new_motion_only(self) -> "Config":
        if self.motion is not None and self.motion_heads != MOTION_HEADS:
            raise ValueError(f"motion_heads: {self.motion!r} determines that; leave it out")
        return self


TINY = Config(
    frames=4, motion_heads=2, shared_noise=0.5, still_background=True, steps=2, guidance=3.0
)


class AnimateDiff(LatentDecoder):
    """Weights under `frozen` are published ones, which no checkpoint of ours contains."""

    config: Config
    modality: MediaModality = "video"
    keep_in_fp32_modules: tuple[str, ...] = ("image.vae.",)

    def __init__(self, config: Config, image: StableDiffusion) -> None:
        super().__init__()
        self.config = config
        self.frozen = ("unet.",) if config.motion else ()
        self.image = image
        self.unet = with_motion(image.unet, config)
        self.scheduler = DDIMScheduler.from_config(image.scheduler.config, **config.scheduler)
        self.latent_shape = self.shape(SampleOptions())
        self.condition_spec: ConditionSpec = image.condition_spec
        self.layout = zero_layout(image.make_layout(config.frames))

    def encode_prompt(self, captions: Sequence[str]) -> Tensor:
        return self.image.encode_prompt(captions)

    def predict(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        noisy, condition = latents.to(self.unet.dtype), condition.to(self.unet.dtype)
        per_frame = condition.repeat_interleave(latents.shape[2], dim=0)  # (B * frames, T, W)
        summary = self.image.summary(condition) if self.image.summary else None
        if self.layout and self.image.layout:
            layouts = self.image.layout(condition) + self.layout(condition)  # (B, frames, K, h, w)
            noisy = torch.cat([noisy, layouts.transpose(1, 2)], dim=1)
        predicted: Tensor = self.unet(noisy, timesteps, per_frame, timestep_cond=summary).sample
        if self.config.still_background:
            predicted = self.hold_background(latents.float(), predicted.float(), timesteps)
        return predicted.to(latents.dtype)

    def hold_background(self, latents: Tensor, predicted: Tensor, timesteps: Tensor) -> Tensor:
        """The prediction (B, C, frames, h, w), moved so that all frames agree on the background.

        Each frame would choose a background by itself where the caption leaves it open, and
        motion modules as small as ours do not make them agree. The background of a frame is the
        median of its border, which a thing covers in part at most; all get the mean of theirs.
        """
        clean = clean_latents(self.scheduler, latents, predicted, timesteps)
        sides = (clean[..., 0, :], clean[..., -1, :], clean[..., 0], clean[..., -1])
        background = torch.cat(sides, dim=-1).median(dim=-1).values[..., None, None]
        clean = clean + background.mean(2, keepdim=True) - background
        return prediction_of(self.scheduler, latents, clean, timesteps)

    def check(self, options: SampleOptions) -> None:
        check_steps_and_guidance(self, options)
        check_modality(options, self.modality)
        self.image.check_size(self.image.size(options))
        learned, frames = self.unet.config.motion_max_seq_length, self.frames(options)
        if frames > learned or (self.layout and frames != learned):
            raise ValueError(
                f"frames: {frames} cannot be made: this decoder learned motion in "
                f"{'exactly' if self.layout else 'up to'} {learned} frames"
            )

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.config.fps

    def frames(self, options: SampleOptions) -> int:
        return options.frames or self.config.frames

    def shape(self, options: SampleOptions) -> tuple[int, ...]:
        channels, height, width = self.image.shape(options)
        return (channels, self.frames(options), height, width)

    def sample_batch(
        self, requests: Sequence[RenderRequest], on_step: OnStep, cancelled: Cancelled
    ) -> list[Video]:
        return self.from_latents(sample_latents(self, requests, on_step, cancelled))

    def noise(self, shape: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
        """Normal noise (B, C, frames, h, w) of which all frames share a part.

        What stays the same in all frames then begins as the same noise (Ge et al. 2023, PYoCo).
        """
        independent = normal_rows(shape, generators)
        channels, _, height, width = shape
        shared = normal_rows((channels, 1, height, width), generators)
        part = self.config.shared_noise
        return part**0.5 * shared + (1 - part) ** 0.5 * independent

    def to_latents(
        self, media: Sequence[Video], options: SampleOptions = SampleOptions()
    ) -> Tensor:
        """(B, C, frames, h, w)."""
        rows = [
            self.image.to_latents(
                [Image(f) for f in resample_frames(video, self.frames(options))], options
            )
            for video in media
        ]
        return torch.stack(rows).transpose(1, 2)

    def from_latents(self, latents: Tensor) -> list[Video]:
        """(B, C, frames, h, w) -> one video per row."""
        rows = [self.image.from_latents(frames) for frames in latents.transpose(1, 2)]
        return [Video(torch.stack([i.pixels for i in row]), self.config.fps) for row in rows]


def with_motion(unet: UNet2DConditionModel, config: Config) -> UNetMotionModel:
    """The image U-Net with motion modules; its spatial layers are the same objects."""
    adapter = read_motion(config.motion, unet) if config.motion else new_motion(unet, config)
    with torch.device("meta"):  # every layer built here is replaced below
        motion = UNetMotionModel.from_unet2d(unet, adapter, load_weights=False)
    share(motion, unet, SPATIAL_ENDS)
    for block, spatial, moving in zip(*map(blocks, (motion, unet, adapter)), strict=True):
        share(block, spatial, SPATIAL_PARTS)
        share(block, moving, ["motion_modules"])
    return motion


def blocks(network: Any) -> list[Any]:
    return [*network.down_blocks, network.mid_block, *network.up_blocks]


def share(target: nn.Module, source: nn.Module | None, names: Sequence[str]) -> None:
    """The target gets those of these attributes that the source has."""
    for name in names:
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))


def read_motion(source: str, unet: UNet2DConditionModel) -> MotionAdapter:
    """Published motion modules. Raises ValueError if they are for a U-Net of other widths."""
    adapter = read_part(MotionAdapter, source)
    widths, required = (list(model.config.block_out_channels) for model in (adapter, unet))
    if widths != required:
        raise ValueError(
            f"motion: {source!r} is for a U-Net of widths {widths}, and that of decoders.image "
            f"has {required}"
        )
    return adapter


def new_motion(unet: UNet2DConditionModel, config: Config) -> MotionAdapter:
    """Untrained, they add nothing: every frame is the image decoder's picture."""
    adapter = MotionAdapter(
        block_out_channels=unet.config.block_out_channels,
        motion_layers_per_block=unet.config.layers_per_block,
        motion_num_attention_heads=config.motion_heads,
        motion_norm_num_groups=unet.config.norm_num_groups,
        motion_max_seq_length=config.frames,
        use_motion_mid_block=False,
    )
    for name, module in adapter.named_modules():
        if isinstance(module, Attention):
            module.set_processor(AttnProcessor())  # see decoders/stable_diffusion.py
        elif name.endswith(".proj_out"):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    return adapter


def zero_layout(layout: Layout | None) -> Layout | None:
    """Untrained, it adds nothing to the layout of the image decoder's picture."""
    if layout:
        nn.init.zeros_(layout.outward.weight)
        nn.init.zeros_(layout.outward.bias)
    return layout


def build(config: Config, decoders: Mapping[str, Any], **_: Any) -> AnimateDiff:
    """`decoders` are those built so far. Raises ValueError unless image is a stable_diffusion."""
    if not isinstance(decoders.get("image"), StableDiffusion):
        raise ValueError("animatediff extends decoders.image, which must be stable_diffusion")
    return AnimateDiff(config, decoders["image"])

"""Sound: AudioLDM (Liu et al. 2023). One text vector conditions a U-Net on mel spectrograms."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import soxr
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from anygen.media import Audio
from anygen.modality import MediaModality
from anygen.records import Strict
from decoders.base import Cancelled, ConditionSpec, OnStep, SampleOptions, Task
from decoders.parts import mel
from decoders.parts.autoencoder import PatchAutoencoder
from decoders.parts.caption_encoder import CaptionEncoder
from decoders.parts.conditioning import Layout, LayoutSettings
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
from decoders.parts.vocoder import InverseSTFTVocoder


class Vocoder(Strict):
    width: PositiveInt = 256
    blocks: PositiveInt = 6


class Config(Strict):
    """`vae`, `unet`, `text_encoder` and `scheduler` are settings of the diffusers classes.

    `layout`: see decoders/stable_diffusion.py; AudioLDM itself has none.
    """

    frames: PositiveInt = 192  # mel frames of 16 ms: 192 are 3.072 s
    patch: PositiveInt = 4
    vae: dict[str, Any]
    unet: dict[str, Any]
    layout: LayoutSettings | None = None
    tokenizer: str  # file beside the system's YAML
    tokens: PositiveInt = 24
    text_encoder: dict[str, Any]
    scheduler: dict[str, Any] = {}
    vocoder: Vocoder = Vocoder()
    steps: PositiveInt = 20
    guidance: PositiveFloat = 2.5


TINY = Config(
    frames=16,
    patch=4,
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
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "attention_head_dim": 2,
        "cross_attention_dim": [16, 32],
        "class_embed_type": "simple_projection",
        "class_embeddings_concat": True,
        "projection_class_embeddings_input_dim": 16,
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
    vocoder=Vocoder(width=16, blocks=1),
    steps=2,
)


class AudioLDM(nn.Module):
    modality: MediaModality = "audio"
    safe = ("vae.", "vocoder.", "filters")
    filters: Tensor

    def __init__(self, config: Config, folder: Path) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("filters", mel.slaney_filters(), persistent=False)
        self.vae = PatchAutoencoder(1, config.patch, 1, config.vae)
        self.latent_shape = self.shape(SampleOptions())
        channels = self.vae.channels
        self.unet = UNet2DConditionModel(
            sample_size=self.latent_shape[1:],
            in_channels=channels + (config.layout.channels if config.layout else 0),
            out_channels=channels,
            **config.unet,
        )
        self.unet.set_attn_processor(AttnProcessor())  # see decoders/stable_diffusion.py
        self.text_encoder = CaptionEncoder(
            folder / config.tokenizer, config.tokens, config.text_encoder
        )
        self.vocoder = InverseSTFTVocoder(config.vocoder.width, config.vocoder.blocks)
        self.scheduler = DDIMScheduler(**config.scheduler)
        width = self.text_encoder.model.config.hidden_size
        self.condition_spec = ConditionSpec(tokens=1, width=width, norm="l2")
        grid = self.latent_shape[1:]
        self.layout = Layout(config.layout, width, grid) if config.layout else None
        stabilize_rows(self)

    def caption_condition(self, captions: Sequence[str]) -> Tensor:
        return self.text_encoder.pooled(captions)

    def predict(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        if self.layout:
            latents = torch.cat([latents, self.layout(condition)[:, 0]], dim=1)
        return self.unet(latents, timesteps, None, class_labels=condition[:, 0]).sample

    def check(self, options: SampleOptions) -> None:
        check_steps_and_guidance(self, options)
        refuse(options, ["size", "frames"], "a sound")
        own = self.config.frames * mel.HOP
        if self.layout and self.length(options) != own:
            raise ValueError(
                f"seconds: {options.seconds:g} s cannot be made: what this decoder learned of "
                f"when things sound is for {own / mel.RATE:g} s only"
            )

    def length(self, options: SampleOptions) -> int:
        """Samples, at least one."""
        if options.seconds is None:
            return self.config.frames * mel.HOP
        return max(round(options.seconds * mel.RATE), 1)

    def shape(self, options: SampleOptions) -> tuple[int, ...]:
        """As many latents as cover the length; what is too much is cut off the sound."""
        factor = self.vae.factor
        columns = ceil(self.length(options) / (mel.HOP * factor))
        return (self.vae.channels, mel.BANDS // factor, columns)

    def batch_key(self, task: Task) -> BatchKey:
        return batch_key(self, task)

    def sample(self, tasks: Sequence[Task], on_step: OnStep, cancelled: Cancelled) -> list[Audio]:
        sounds = self.from_latents(sample_latents(self, tasks, on_step, cancelled))
        lengths = [self.length(task.options) for task in tasks]
        return [Audio(s.samples[:, :n], s.rate) for s, n in zip(sounds, lengths, strict=True)]

    def loss(
        self, media: Sequence[Audio], conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        return self.latent_loss(self.to_latents(media), conditions, generators)

    def latent_loss(
        self, latents: Tensor, conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        noise = self.noise(latents.shape[1:], generators).to(latents.device)
        return denoising_loss(self.predict, self.scheduler, latents, noise, conditions, generators)

    def noise(self, shape: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
        return normal_rows(shape, generators)

    def autoencoding_loss(self, media: Sequence[Audio], generator: torch.Generator) -> Tensor:
        return self.vae.loss(self._pictures(media, self.config.frames), generator)

    def vocoder_loss(self, media: Sequence[Audio]) -> Tensor:
        samples = self._samples(media, self.config.frames)
        return self.vocoder.loss(mel.log_mel(samples, self.filters), samples)

    def resynthesize(self, media: Sequence[Audio]) -> list[Audio]:
        """Through the mel spectrogram and the vocoder, without the diffusion model."""
        samples = self._samples(media, self.config.frames)
        made = self.vocoder(mel.log_mel(samples, self.filters)).clamp(-1, 1).cpu()
        return [Audio(row[None], mel.RATE) for row in made]

    @torch.no_grad()
    def to_latents(
        self, media: Sequence[Audio], options: SampleOptions = SampleOptions()
    ) -> Tensor:
        frames = self.shape(options)[-1] * self.vae.factor
        return self.vae.encode(self._pictures(media, frames)).float()

    @torch.no_grad()
    def from_latents(self, latents: Tensor) -> list[Audio]:
        samples = self.vocoder(mel.from_picture(self.vae.decode(latents))).clamp(-1, 1).cpu()
        return [Audio(row[None], mel.RATE) for row in samples]

    def _pictures(self, media: Sequence[Audio], frames: int) -> Tensor:
        return mel.to_picture(mel.log_mel(self._samples(media, frames), self.filters))

    def _samples(self, media: Sequence[Audio], frames: int) -> Tensor:
        """(B, frames * 256): mono at 16 kHz, cut or padded with silence."""
        length = frames * mel.HOP
        rows = [mono(sound)[:length] for sound in media]
        padded = [F.pad(row, (0, length - len(row))) for row in rows]
        return torch.stack(padded).to(self.filters.device)


def mono(sound: Audio) -> Tensor:
    """(samples,) at 16 kHz."""
    samples = sound.samples.mean(0)
    if sound.rate == mel.RATE:
        return samples
    return torch.from_numpy(soxr.resample(samples.cpu().numpy(), sound.rate, mel.RATE))


def build(config: Config, folder: Path, **_: Any) -> AudioLDM:
    return AudioLDM(config, folder)

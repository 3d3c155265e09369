"""Sound: AudioLDM (Liu et al. 2023). One text vector conditions a U-Net on mel spectrograms."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from anygen.media import Audio
from anygen.modality import MediaModality
from anygen.records import Strict
from decoders.base import Cancelled, ConditionSpec, OnStep, SampleOptions
from decoders.parts import mel
from decoders.parts.autoencoder import PatchAutoencoder
from decoders.parts.caption_encoder import CaptionEncoder
from decoders.parts.conditioning import Layout, LayoutSettings
from decoders.parts.latent_diffusion import (
    denoising_loss,
    make_plan,
    normal_rows,
    sample_latents,
    seeded,
    solver,
)
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
    filters: Tensor

    def __init__(self, config: Config, folder: Path) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("filters", mel.slaney_filters(), persistent=False)
        self.vae = PatchAutoencoder(1, config.patch, 1, config.vae)
        factor, channels = self.vae.factor, self.vae.channels
        self.latent_shape = (channels, mel.BANDS // factor, config.frames // factor)
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

    def caption_condition(self, captions: Sequence[str]) -> Tensor:
        return self.text_encoder.pooled(captions)

    def predict(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        if self.layout:
            latents = torch.cat([latents, self.layout(condition)[:, 0]], dim=1)
        return self.unet(latents, timesteps, None, class_labels=condition[:, 0]).sample

    def sample(
        self,
        conditions: Tensor,
        seeds: Sequence[int],
        options: SampleOptions,
        on_step: OnStep,
        cancelled: Cancelled,
    ) -> list[Audio]:
        start = normal_rows(self.latent_shape, seeded(seeds), conditions)
        plan = make_plan(self, self.scheduler, options, on_step, cancelled)
        latents = sample_latents(self.predict, solver(self.scheduler), start, conditions, plan)
        return self.from_latents(latents)

    def loss(
        self, media: Sequence[Audio], conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        return self.latent_loss(self.to_latents(media), conditions, generators)

    def latent_loss(
        self, latents: Tensor, conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        noise = normal_rows(self.latent_shape, generators, latents)
        return denoising_loss(self.predict, self.scheduler, latents, noise, conditions, generators)

    def autoencoding_loss(self, media: Sequence[Audio], generator: torch.Generator) -> Tensor:
        return self.vae.loss(self._pictures(media), generator)

    def vocoder_loss(self, media: Sequence[Audio]) -> Tensor:
        samples = self._samples(media)
        return self.vocoder.loss(mel.log_mel(samples, self.filters), samples)

    def resynthesize(self, media: Sequence[Audio]) -> list[Audio]:
        """Through the mel spectrogram and the vocoder, without the diffusion model."""
        made = self.vocoder(mel.log_mel(self._samples(media), self.filters)).clamp(-1, 1).cpu()
        return [Audio(row[None], mel.RATE) for row in made]

    @torch.no_grad()
    def to_latents(self, media: Sequence[Audio]) -> Tensor:
        return self.vae.encode(self._pictures(media)).float()

    @torch.no_grad()
    def from_latents(self, latents: Tensor) -> list[Audio]:
        samples = self.vocoder(mel.from_picture(self.vae.decode(latents))).clamp(-1, 1).cpu()
        return [Audio(row[None], mel.RATE) for row in samples]

    def _pictures(self, media: Sequence[Audio]) -> Tensor:
        return mel.to_picture(mel.log_mel(self._samples(media), self.filters))

    def _samples(self, media: Sequence[Audio]) -> Tensor:
        """(B, frames * 256): mono at 16 kHz, cut or padded with silence to the decoder's length.

        Raises ValueError at another rate.
        """
        length = self.config.frames * mel.HOP
        rows = []
        for audio in media:
            if audio.rate != mel.RATE:
                raise ValueError(f"audioldm learns from {mel.RATE} Hz sound, not {audio.rate} Hz")
            mono = audio.samples.mean(0)[:length]
            rows.append(torch.nn.functional.pad(mono, (0, length - mono.shape[0])))
        return torch.stack(rows).to(self.filters.device)


def build(config: Config, folder: Path, **_: Any) -> AudioLDM:
    return AudioLDM(config, folder)

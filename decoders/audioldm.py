"""Sound: AudioLDM (Liu et al. 2023). One text vector conditions a U-Net on mel spectrograms."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor
from transformers import SpeechT5HifiGan

from anygen.core.media import Audio
from anygen.core.modality import MediaModality
from anygen.core.schema import Strict
from anygen.numerics.audio import to_mono
from decoders.base import (
    Cancelled,
    ConditionSpec,
    OnStep,
    RenderRequest,
    SampleOptions,
    SchedulerName,
)
from decoders.parts.autoencoder import new_autoencoder
from decoders.parts.conditioning import Layout, LayoutSettings
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
from decoders.parts.limits import check_modality, require_finite
from decoders.parts.mel import MelPictures, PretrainedMelPictures
from decoders.parts.pretrained import PartSettings, read_part
from decoders.parts.pretrained_captions import CLAP
from decoders.parts.vocoder import InverseSTFTVocoder


class Vocoder(Strict):
    width: PositiveInt = 256
    blocks: PositiveInt = 6


class Config(PartSettings):
    """With pretrained parts: AudioLDM, whose pipelines also have a folder vocoder/.

    Without: `vae`, `unet`, `text_encoder` and `scheduler` are settings of the diffusers classes.
    `layout`: see decoders/stable_diffusion.py; AudioLDM itself has none.
    """

    sized = ("frames",)
    fixed = (*PartSettings.fixed, "tokens", "patch", "layout", "vocoder")

    frames: PositiveInt | None = None  # mel frames: 16 ms each, mostly 10 ms with pretrained parts
    patch: PositiveInt = 4
    layout: LayoutSettings | None = None
    vocoder: Vocoder = Vocoder()
    steps: PositiveInt = 20
    solver: SchedulerName = "dpm++"  # the default scheduler of requests
    guidance: PositiveFloat = 2.5


TINY = Config(
    frames=16,
    patch=4,
    unet={
        **TINY_UNET,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        "cross_attention_dim": [16, 32],
        "class_embed_type": "simple_projection",
        "class_embeddings_concat": True,
        "projection_class_embeddings_input_dim": 16,
    },
    layout=LayoutSettings(channels=2, hidden=16),
    vocoder=Vocoder(width=16, blocks=1),
    **TINY_PARTS,
)


class AudioLDM(LatentDecoder):
    """Weights under `frozen` are published ones, which no checkpoint of ours contains."""

    config: Config
    modality: MediaModality = "audio"
    keep_in_fp32_modules: tuple[str, ...] = ("vae.", "mel.", "vocoder.")

    def __init__(
        self,
        config: Config,
        parts: Parts,
        mel: MelPictures | PretrainedMelPictures,
        vocoder: InverseSTFTVocoder | SpeechT5HifiGan,
    ) -> None:
        super().__init__()
        self.config = config
        self.frozen = ("vae.", "unet.", "vocoder.") if config.pretrained else ()
        self.vae, self.unet, self.text_encoder, self.scheduler = parts
        self.mel, self.vocoder = mel, vocoder
        self.full_frames = config.frames or self.unet.config.sample_size * self.vae.factor
        self.latent_shape = self.shape(SampleOptions())
        tokens, width = self.text_encoder.shape
        self.condition_spec = ConditionSpec(tokens=tokens, width=width, norm="l2")
        grid = self.latent_shape[1:]
        self.layout = Layout(config.layout, width, grid) if config.layout else None

    def predict(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        noisy, condition = latents.to(self.unet.dtype), condition.to(self.unet.dtype)
        if self.layout:
            noisy = torch.cat([noisy, self.layout(condition)[:, 0]], dim=1)
        predicted: Tensor = self.unet(noisy, timesteps, None, class_labels=condition[:, 0]).sample
        return predicted.to(latents.dtype)

    def check(self, options: SampleOptions) -> None:
        check_steps_and_guidance(self, options)
        check_modality(options, self.modality)
        full_length = self.full_frames * self.mel.hop
        if self.layout and self.length(options) != full_length:
            raise ValueError(
                f"seconds: {options.seconds:g} s cannot be made: this decoder learned when things "
                f"sound for {full_length / self.mel.rate:g} s only"
            )

    def length(self, options: SampleOptions) -> int:
        """Samples, at least one."""
        if options.seconds is None:
            return self.full_frames * self.mel.hop
        return max(round(options.seconds * self.mel.rate), 1)

    def shape(self, options: SampleOptions) -> tuple[int, ...]:
        """As many latents as cover the length; `sample` cuts off the rest."""
        grid = self.mel.grid(self.mel.bands // self.vae.factor, self.columns(options))
        return (self.vae.channels, *grid)

    def columns(self, options: SampleOptions) -> int:
        """Latents along time."""
        return ceil(self.length(options) / (self.mel.hop * self.vae.factor))

    def sample_batch(
        self, requests: Sequence[RenderRequest], on_step: OnStep, cancelled: Cancelled
    ) -> list[Audio]:
        sounds = self.from_latents(sample_latents(self, requests, on_step, cancelled))
        lengths = [self.length(request.options) for request in requests]
        return [Audio(s.samples[:, :n], s.rate) for s, n in zip(sounds, lengths, strict=True)]

    def autoencoding_loss(self, media: Sequence[Audio], generator: torch.Generator) -> Tensor:
        return self.vae.loss(self.mel(self._samples(media, self.full_frames)), generator)

    def vocoder_loss(self, media: Sequence[Audio]) -> Tensor:
        samples = self._samples(media, self.full_frames)
        return self.vocoder.loss(self.mel.spectra(self.mel(samples)), samples)

    def resynthesize(self, media: Sequence[Audio]) -> list[Audio]:
        """Sounds through mel spectrogram and vocoder, without the diffusion model."""
        return self._sounds(self.mel(self._samples(media, self.full_frames)))

    @torch.no_grad()
    def to_latents(
        self, media: Sequence[Audio], options: SampleOptions = SampleOptions()
    ) -> Tensor:
        frames = self.columns(options) * self.vae.factor
        return self.vae.encode(self.mel(self._samples(media, frames))).float()

    @torch.no_grad()
    def from_latents(self, latents: Tensor) -> list[Audio]:
        return self._sounds(self.vae.decode(latents))

    def _sounds(self, pictures: Tensor) -> list[Audio]:
        precision = next(self.vocoder.parameters()).dtype
        samples = require_finite(self.vocoder(self.mel.spectra(pictures).to(precision)).float())
        return [Audio(row[None], self.mel.rate) for row in samples.clamp(-1, 1).cpu()]

    def _samples(self, media: Sequence[Audio], frames: int) -> Tensor:
        """(B, frames * hop): mono at the decoder's rate, cut or padded with silence."""
        length = frames * self.mel.hop
        rows = [self.mel.level(to_mono(sound, self.mel.rate))[:length] for sound in media]
        padded = [F.pad(row, (0, length - len(row))) for row in rows]
        return torch.stack(padded).to(self.mel.filters.device)


def build(config: Config, folder: Path, **_: Any) -> AudioLDM:
    """Raises ValueError if pretrained parts are missing or damaged."""
    if config.pretrained:
        parts = pretrained_parts(UNet2DConditionModel, config.pretrained, CLAP)
        vocoder = read_part(SpeechT5HifiGan, config.pretrained, "vocoder")
        return AudioLDM(config, parts, PretrainedMelPictures(vocoder.config), vocoder)
    assert config.frames  # checked by PartSettings
    mel, vae = MelPictures(), new_autoencoder(1, config.patch, 1, config.vae)
    parts = new_parts(
        UNet2DConditionModel,
        config,
        folder,
        vae,
        pooled=True,
        extra_channels=config.layout.channels if config.layout else 0,
        sample_size=mel.grid(mel.bands // vae.factor, ceil(config.frames / vae.factor)),
    )
    vocoder = InverseSTFTVocoder(config.vocoder.width, config.vocoder.blocks)
    return AudioLDM(config, parts, mel, vocoder)

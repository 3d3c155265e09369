"""Sounds through CLAP (Wu et al. 2023), whose joint space also has texts."""

# B sounds, N samples, K features, W width, E joint space

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ClapAudioModel, ClapFeatureExtractor, ClapModel

from anygen.core.media import Audio, Media
from anygen.core.modality import MediaModality, Modality
from anygen.numerics.audio import to_mono
from encoders.base import kind_of
from encoders.parts.pretrained import (
    ModelSettings,
    load,
    read_config,
    read_processor,
    read_tokenizer,
)
from encoders.parts.readers import in_groups, sampled

TOWER = {r"^audio_model\.": ""}  # the audio tower's names within the whole model


class Config(ModelSettings):
    """`sizes` of a random model are settings of transformers' ClapAudioConfig."""

    joint: bool = False  # loads the text tower too, which `embed` needs
    features: Literal["patches", "pooled"] = "patches"  # of the last layer, or only their mean


TINY = Config(
    sizes={
        "model_type": "clap_audio_model",
        "spec_size": 64,
        "num_mel_bins": 16,
        "patch_size": 4,
        "patch_stride": [4, 4],
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "window_size": 4,
        "hidden_size": 16,
    },
)


def build(config: Config, folder: Path, **_: Any) -> "Clap":
    """Raises ValueError if the model is not CLAP, or for `joint` without a text tower."""
    described = read_config(config, ("clap", "clap_audio_model"))
    kind = described.model_type
    if config.joint and (kind != "clap" or config.pretrained is None):
        raise ValueError("joint: texts need a pretrained model with a text tower and a tokenizer")
    return Clap(config, described, described.audio_config if kind == "clap" else described)


class Clap(nn.Module):
    """All weights are published ones: frozen, and not part of a checkpoint.

    A sound longer than the model's input (10 s) is sampled as evenly spaced pieces.
    """

    modalities: tuple[MediaModality, ...] = ("audio",)
    frames: Mapping[MediaModality, int] = {}
    frozen = ("model.",)

    def __init__(self, config: Config, described: Any, audio: Any) -> None:
        super().__init__()
        self.config = config
        self.widths = dict.fromkeys(
            self.modalities, audio.patch_embeds_hidden_size * halvings(audio)
        )
        self.embeds: tuple[Modality, ...] = ("text", *self.modalities) if config.joint else ()
        self.extractor = read_extractor(config, audio)
        self.tokens = patches(audio) if config.features == "patches" else 1
        if config.joint:
            self.model = load(ClapModel, described, config)
            self.tokenizer = read_tokenizer(config)
            self.text_length = (
                described.text_config.max_position_embeddings - 2
            )  # RoBERTa's count from 2
        else:
            self.model = load(ClapAudioModel, audio, config, renamed=TOWER)

    def train(self, mode: bool = True) -> "Clap":
        """Stays in evaluation mode, because nothing here is trained."""
        return super().train(False)

    def length(self, modality: MediaModality) -> int:
        """K of every sound."""
        return self.tokens

    @torch.no_grad()
    def encode(self, media: Sequence[Media]) -> list[Tensor]:
        """Features (K, W) per sound; patches are ordered by frequency, then by time."""
        tower = self.model.audio_model if self.config.joint else self.model
        output = tower(**self.prepared(media))
        if self.config.features == "pooled":
            return [*output.pooler_output[:, None]]
        return [*output.last_hidden_state.flatten(2).transpose(1, 2)]

    @torch.no_grad()
    def embed(self, items: Sequence[Media | str]) -> Tensor:
        """(B, E), unit length. Raises ValueError without `joint`."""
        if not self.config.joint:
            raise ValueError("this encoder has no joint space; write joint: true for clap")
        return torch.stack(in_groups(items, kind_of, self.embed_kind))

    def embed_kind(self, kind: Modality, items: Sequence[Any]) -> Tensor:
        if kind == "text":
            inputs = self.tokenizer(
                list(items),
                padding=True,
                max_length=self.text_length,
                truncation=True,
                return_tensors="pt",
            )
            output = self.model.get_text_features(**inputs.to(self.model.device))
        else:
            output = self.model.get_audio_features(**self.prepared(items))
        return functional.normalize(output.pooler_output.float(), dim=-1)

    def prepared(self, sounds: Sequence[Any]) -> Any:
        """The model's inputs, on its device and in its precision."""
        waves = [self.clip(sound).numpy() for sound in sounds]
        rate = self.extractor.sampling_rate
        inputs = self.extractor(waves, sampling_rate=rate, return_tensors="pt")
        # a model with fusion picks a row at random to treat as longer; no row is longer here
        inputs["is_longer"] = torch.zeros(len(waves), 1, dtype=torch.bool)
        return inputs.to(self.model.device, self.model.dtype)

    def clip(self, sound: Audio) -> Tensor:
        """(N,) at the model's rate, at most as long as its input."""
        return sampled(to_mono(sound, self.extractor.sampling_rate), self.extractor.nb_max_samples)


def read_extractor(config: Config, audio: Any) -> Any:
    """The published feature extractor, or for random weights one that fits their sizes."""
    if config.pretrained is not None:
        return read_processor(ClapFeatureExtractor, config)
    hop, rate = 480, 48_000
    frames = (
        audio.spec_size**2 // audio.num_mel_bins
    )  # of the spectrogram, which is folded to a square
    return ClapFeatureExtractor(
        feature_size=audio.num_mel_bins,
        sampling_rate=rate,
        hop_length=hop,
        max_length_s=(frames - 1) * hop // rate,
        truncation="fusion" if audio.enable_fusion else "rand_trunc",
    )


def patches(audio: Any) -> int:
    """The number of vectors in the last stage; each stage but the first halves both sides."""
    return int(audio.spec_size // audio.patch_stride[0] // halvings(audio)) ** 2


def halvings(audio: Any) -> int:
    return int(2 ** (len(audio.depths) - 1))

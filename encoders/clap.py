"""Sounds through CLAP (Wu et al. 2023), an audio encoder in one space with texts."""

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
from encoders.parts.published import Source, load, read_config, read_tokenizer, reading
from encoders.parts.readers import in_groups, sampled

TOWER = {r"^audio_model\.": ""}  # the names of the audio tower within the whole model


class Config(Source):
    """`sizes`: of a random model, settings of transformers' ClapAudioConfig."""

    joint: bool = False  # load the text tower, too: `embed` needs it
    features: Literal["patches", "pooled"] = "patches"  # of the last layer, or their mean alone


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
    """Raises ValueError for a model that is not CLAP, or lacks the text tower that is asked for."""
    described = read_config(config, ("clap", "clap_audio_model"))
    kind = described.model_type
    if config.joint and (kind != "clap" or config.pretrained is None):
        raise ValueError("joint: texts need a pretrained model with a text tower and a tokenizer")
    return Clap(config, described, described.audio_config if kind == "clap" else described)


class Clap(nn.Module):
    """The weights are their publisher's: frozen, and no part of a checkpoint.

    Of a sound that is longer than the model hears (10 s), even pieces of the whole are heard.
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
        """Always as in evaluation: nothing here learns."""
        return super().train(False)

    def length(self, modality: MediaModality) -> int:
        """K of every sound."""
        return self.tokens

    @torch.no_grad()
    def encode(self, media: Sequence[Media]) -> list[Tensor]:
        """Features (K, W) per sound, with patches in the order of frequencies, then of time."""
        tower = self.model.audio_model if self.config.joint else self.model
        output = tower(**self.prepared(media))
        if self.config.features == "pooled":
            return [*output.pooler_output[:, None]]
        return [*output.last_hidden_state.flatten(2).transpose(1, 2)]

    @torch.no_grad()
    def embed(self, items: Sequence[Media | str]) -> Tensor:
        """(B, E), unit length. ValueError without `joint`."""
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
        """What the model takes, on its device and of its precision."""
        waves = [self.heard(sound).numpy() for sound in sounds]
        rate = self.extractor.sampling_rate
        inputs = self.extractor(waves, sampling_rate=rate, return_tensors="pt")
        # a model with fusion treats one of each batch as longer, at random; nothing is longer here
        inputs["is_longer"] = torch.zeros(len(waves), 1, dtype=torch.bool)
        return inputs.to(self.model.device, self.model.dtype)

    def heard(self, sound: Audio) -> Tensor:
        """(N,) at the model's rate, no longer than it hears."""
        return sampled(to_mono(sound, self.extractor.sampling_rate), self.extractor.nb_max_samples)


def read_extractor(config: Config, audio: Any) -> Any:
    """The publisher's way to spectrograms; for random weights one that fits their sizes."""
    if config.pretrained is not None:
        with reading(config.pretrained):
            return ClapFeatureExtractor.from_pretrained(config.pretrained)
    hop, rate = 480, 48_000
    frames = audio.spec_size**2 // audio.num_mel_bins  # of the spectrogram, folded to a square
    return ClapFeatureExtractor(
        feature_size=audio.num_mel_bins,
        sampling_rate=rate,
        hop_length=hop,
        max_length_s=(frames - 1) * hop // rate,
        truncation="fusion" if audio.enable_fusion else "rand_trunc",
    )


def patches(audio: Any) -> int:
    """How many vectors the last of the stages has: each but the first halves both sides."""
    return int(audio.spec_size // audio.patch_stride[0] // halvings(audio)) ** 2


def halvings(audio: Any) -> int:
    return int(2 ** (len(audio.depths) - 1))

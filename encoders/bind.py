"""Image, audio, video and text in one joint space, like ImageBind (Girdhar et al. 2023).

Images and frames go through a frozen ImageNet trunk; the trained part is small.
"""

# B items, K tokens per medium, W width of features, D width inside towers, E joint space, S size

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from anygen.core.media import Image, Media, modality_of
from anygen.core.modality import MEDIA, MODALITIES, MediaModality, Modality
from anygen.numerics.contrast import contrastive_loss, equal_captions
from encoders.base import Domain, kind_of
from encoders.parts.domain import Familiarity, domain_tokens
from encoders.parts.readers import (
    AudioReader,
    TextReader,
    VideoReader,
    in_groups,
    mix,
    sample_frames,
)
from encoders.parts.tower import Tower
from encoders.parts.vision import Vision, class_names, is_certain, resize


class Config(BaseModel):
    """The defaults are the sizes of mini. `tokenizer` is a `tokenizers` file beside the config."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    tokenizer: str
    trunk: Literal["efficientnet_lite2", "tiny"] = "efficientnet_lite2"
    grid: PositiveInt = 3  # cells per side of the features of an image or a frame
    image_size: PositiveInt = 260  # pixels per side, as the trunk was trained
    frame_size: PositiveInt = 192  # of a video's frames; smaller is faster
    frames: PositiveInt = 8  # of a video, evenly spaced in time
    audio_seconds: PositiveInt = 10  # a longer sound is sampled as evenly spaced pieces
    text_tokens: PositiveInt = 64  # a longer text is cut
    tower: PositiveInt = 192  # width of the trained transformers
    heads: PositiveInt = 4
    audio_layers: PositiveInt = 4
    video_layers: PositiveInt = 2
    text_layers: PositiveInt = 3
    queries: PositiveInt = 8  # tokens per sound and per video
    joint: PositiveInt = 256  # width of the joint space
    # A token that states whether a medium is of a known kind, and the class token of videos.
    domain_token: bool = False


TINY = Config(
    tokenizer="captions.json",
    trunk="tiny",
    grid=2,
    image_size=32,
    frame_size=24,
    frames=3,
    tower=16,
    heads=2,
    audio_layers=1,
    video_layers=1,
    text_layers=1,
    queries=2,
    joint=8,
    domain_token=True,
)


def build(config: Config, folder: Path, vision_trunk: Path | None = None, **_: Any) -> "Bind":
    """`folder` holds the config's files; `vision_trunk` is the published weights, None for random
    ones. Raises ValueError if the tokenizer or the weights are missing.
    """
    for path in (folder / config.tokenizer, vision_trunk):
        if path is not None and not path.is_file():
            raise ValueError(f"the encoder bind needs the file {path}, which does not exist")
    tokenizer = Tokenizer.from_file(str(folder / config.tokenizer))
    return Bind(config, tokenizer, vision_trunk).eval()


class Bind(nn.Module):
    """Features of media, and a joint space of media and texts.

    Weights under `frozen` are published ones, which no checkpoint of ours contains. On a CPU with
    bf16 instructions, autocast makes images twice as fast.
    """

    modalities = MEDIA
    embeds = MODALITIES
    frames: Mapping[MediaModality, int] = {}
    keep_in_fp32_modules = ("audio.filters",)
    frozen = ("vision.trunk.",)
    calibrated = ("familiarity.",)

    def __init__(self, config: Config, tokenizer: Tokenizer, vision_trunk: Path | None) -> None:
        super().__init__()
        self.config = config
        self.vision = Vision(config.trunk, config.grid, vision_trunk)
        width = self.vision.width
        self.widths = dict.fromkeys(MEDIA, width)
        sounds = Tower(config.tower, config.audio_layers, config.heads, config.queries)
        self.audio = AudioReader(sounds, width, config.audio_seconds)
        videos = Tower(config.tower, config.video_layers, config.heads, config.queries)
        self.video = VideoReader(videos, width, config.grid**2 + 1)
        texts = Tower(config.tower, config.text_layers, config.heads, queries=1)
        self.text = TextReader(texts, tokenizer, config.text_tokens, config.joint)
        self.heads = nn.ModuleDict({m: head(width, config.joint) for m in MEDIA})
        self.familiarity = nn.ModuleDict(
            {m: Familiarity(width) for m in MEDIA} if config.domain_token else {}
        )
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))  # CLIP's initial value

    def length(self, modality: MediaModality) -> int:
        """K of every medium of a modality."""
        read = self.config.grid**2 + 1 if modality == "image" else self.config.queries
        return read + self.has_class_token(modality) + self.config.domain_token

    def has_class_token(self, modality: MediaModality) -> bool:
        return modality == "image" or (modality == "video" and self.config.domain_token)

    def encode(self, media: Sequence[Media]) -> list[Tensor]:
        """Features (K, W) per medium."""
        return in_groups(media, modality_of, self.encode_kind)

    def embed(self, items: Sequence[Media | str]) -> Tensor:
        """(B, E), unit length."""
        return torch.stack(in_groups(items, kind_of, self.embed_kind))

    def class_names(self) -> list[str]:
        """The names of the vision trunk's classes."""
        return class_names()

    @torch.inference_mode()
    def classify(self, images: Sequence[Image]) -> list[str]:
        """The name of the class that the vision trunk ranks first, for each image."""
        classes = [int(self.vision.classify(self.fitted(image)).argmax()) for image in images]
        return [class_names()[index] for index in classes]

    def imagine(
        self, modality: MediaModality, shares: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Observations of imagined photographs, or videos; see `Vision.prototype_tokens`."""
        frames = self.config.frames if modality == "video" else 1
        tokens = self.vision.prototype_tokens(shares, generator, frames)
        return tokens if modality == "video" else tokens[:, 0]

    def encode_kind(self, modality: MediaModality, media: Sequence[Any]) -> list[Tensor]:
        observed = self.observe(modality, media)
        return in_groups(observed, len, lambda _, group: self.tokens(modality, torch.stack(group)))

    def tokens(self, modality: MediaModality, observed: Tensor) -> Tensor:
        """Observations (B, ...) -> features as the LLM gets them, (B, K, W)."""
        return self.complete(modality, observed, self.read(modality, observed))

    def features(self, modality: MediaModality, media: Sequence[Any]) -> Tensor:
        """(B, K, W) of media of one modality, as the joint space uses them.

        The sound of a video is ignored.
        """
        observed = self.observe(modality, media)
        groups = in_groups(observed, len, lambda _, group: self.read(modality, torch.stack(group)))
        return torch.stack(groups)

    @torch.no_grad()
    def observe(self, modality: MediaModality, media: Sequence[Any]) -> list[Tensor]:
        """The output of the frozen part per medium, which training may compute once.

        For an image the trunk's tokens (K, W), for a video those of its frames (T, K, W), for a
        sound its spectrogram (frames, bands), as long as the sound.
        """
        if modality == "audio":
            return self.audio.spectrograms(media)
        if modality == "image":
            return [*self.vision(torch.cat([self.fitted(image) for image in media]))]
        size, count = self.config.frame_size, self.config.frames
        frames = torch.cat(
            [resize(sample_frames(v.frames, count).to(self.log_scale.device), size) for v in media]
        )
        return [*self.vision(frames).unflatten(0, (len(media), count))]

    def fitted(self, image: Image) -> Tensor:
        """(1, 3, S, S), what the vision trunk reads."""
        return resize(image.pixels[None].to(self.log_scale.device), self.config.image_size)

    def mix(self, first: Tensor, second: Tensor) -> Tensor:
        """The spectrogram of two sounds at once, see `observe`."""
        return mix(first, second)

    def read(self, modality: MediaModality, observed: Tensor) -> Tensor:
        """Observations (B, ...) of one modality -> features (B, K, W)."""
        readers: dict[MediaModality, AudioReader | VideoReader] = {
            "audio": self.audio,
            "video": self.video,
        }
        observed = observed.to(self.log_scale.dtype)
        return readers[modality](observed) if modality in readers else observed

    def complete(self, modality: MediaModality, observed: Tensor, features: Tensor) -> Tensor:
        """Features as the LLM gets them (B, K, W): class token and domain token are appended."""
        tokens = [features]
        if self.has_class_token(modality):
            tokens.append(self.vision.class_token(self.class_logits(modality, observed)))
        if self.config.domain_token:
            domains = self.domains(modality, observed, features)
            tokens.append(domain_tokens(domains, features.shape[-1]).to(features))
        return torch.cat(tokens, 1)

    def class_logits(self, modality: MediaModality, observed: Tensor) -> Tensor:
        """(B, 1000) of observed images or, as a mean over the frames, of videos."""
        logits = self.vision.class_logits(observed)
        return logits.mean(1) if modality == "video" else logits

    def domains(self, modality: MediaModality, observed: Tensor, features: Tensor) -> Tensor:
        """The `Domain` of each medium, (B,) of whole numbers."""
        familiar: Tensor = self.familiarity[modality](self.summary(modality, observed, features))
        others = torch.full_like(familiar, Domain.UNFAMILIAR, dtype=torch.long)
        if modality != "audio":
            certain = is_certain(self.class_logits(modality, observed))
            others = others.masked_fill(certain, Domain.CLASSIFIED)
        return others.masked_fill(familiar, Domain.FAMILIAR)

    def summary(self, modality: MediaModality, observed: Tensor, features: Tensor) -> Tensor:
        """(B, W), from which `domains` learns what is familiar: what the trunk sees or, of a
        sound, what was read.
        """
        if modality == "audio":
            return features.mean(1)
        return observed[..., -1, :] if modality == "image" else observed[..., -1, :].mean(1)

    def embed_kind(self, kind: Modality, items: Sequence[Any]) -> Tensor:
        if kind == "text":
            return self.text(items)
        return self.embed_features(kind, self.features(kind, items))

    def embed_features(self, modality: MediaModality, features: Tensor) -> Tensor:
        """Features (B, K, W) of one modality -> (B, E), unit length."""
        pooled = features.mean(1).to(self.log_scale.dtype)
        return functional.normalize(self.heads[modality](pooled).float(), dim=-1)

    def match_loss(self, embedded: Tensor, captions: Sequence[str]) -> Tensor:
        """InfoNCE, both ways, between embedded media (B, E) and their captions; a scalar.

        Media with equal captions are positives of each other.
        """
        scale = self.log_scale.clamp(max=math.log(100)).exp()
        logits = scale * embedded @ self.text(captions).T  # (B, B)
        return contrastive_loss(logits, equal_captions(captions, logits.device))


def head(width: int, joint: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, joint))

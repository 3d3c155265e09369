"""Videos through V-JEPA 2 (Assran et al. 2025), which encodes motion, not single frames."""

# B videos, T frames, C pairs of frames, S cells per side, K features, W width

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Resampling
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPImageProcessorPil, VJEPA2Model
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from anygen.core.media import Media, Video
from anygen.core.modality import MediaModality, Modality
from encoders.parts.pretrained import ModelSettings, load, read_config
from encoders.parts.readers import sample_frames


class Config(ModelSettings):
    """A video becomes `frames` / 2 x `grid`^2 features. `sizes` are settings of VJEPA2Config."""

    frames: PositiveInt = 16  # of a video, evenly spaced in time; the model reads pairs
    grid: PositiveInt = 4  # cells per side of the features of a pair


TINY = Config(
    sizes={
        "model_type": "vjepa2",
        "crop_size": 32,
        "patch_size": 8,
        "hidden_size": 24,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "pred_hidden_size": 24,
        "pred_num_attention_heads": 2,
        "pred_num_hidden_layers": 1,
    },
    frames=4,
    grid=2,
)


def build(config: Config, folder: Path, **_: Any) -> "VideoJepa":
    """Raises ValueError if the model is not V-JEPA 2 or the frames do not form pairs."""
    described = read_config(config, ["vjepa2"])
    if config.frames % described.tubelet_size:
        raise ValueError(
            f"frames: {config.frames} is not a multiple of {described.tubelet_size}, the number of "
            "frames that the model reads at a time"
        )
    return VideoJepa(config, described)


class VideoJepa(nn.Module):
    """All weights are published ones: frozen, and not part of a checkpoint.

    Frames are prepared like in transformers' VJEPA2VideoProcessor, which needs torchvision.
    """

    modalities: tuple[MediaModality, ...] = ("video",)
    embeds: tuple[Modality, ...] = ()
    frames: Mapping[MediaModality, int] = {}  # features carry their time already
    frozen = ("model.",)

    def __init__(self, config: Config, described: Any) -> None:
        super().__init__()
        self.config = config
        self.widths = dict.fromkeys(self.modalities, described.hidden_size)
        self.model = load(VJEPA2Model, described, config)
        del self.model.predictor  # only V-JEPA's training needs it
        self.side = described.crop_size // described.patch_size
        self.processor = CLIPImageProcessorPil(
            size={"shortest_edge": described.crop_size * 256 // 224},
            crop_size=described.crop_size,
            resample=Resampling.BILINEAR,
            image_mean=IMAGENET_DEFAULT_MEAN,
            image_std=IMAGENET_DEFAULT_STD,
        )

    def train(self, mode: bool = True) -> "VideoJepa":
        """Stays in evaluation mode, because nothing here is trained."""
        return super().train(False)

    def length(self, modality: MediaModality) -> int:
        """K of every video."""
        pairs = self.config.frames // self.model.config.tubelet_size
        return int(pairs * self.config.grid**2)

    @torch.no_grad()
    def encode(self, media: Sequence[Media]) -> list[Tensor]:
        """Features (K, W) per video: pair after pair, row by row."""
        return [self.features(video) for video in media]

    def embed(self, items: Sequence[Media | str]) -> Tensor:
        """Raises ValueError: there is no joint space."""
        raise ValueError("the encoder vjepa2 has no joint space")

    def features(self, video: Any) -> Tensor:
        """(K, W) of one video, which alone is a long sequence for the model."""
        states = self.model(self.prepared(video)[None], skip_predictor=True).last_hidden_state[0]
        cells_CWSS = states.unflatten(0, (-1, self.side, self.side)).permute(0, 3, 1, 2)
        kept = functional.adaptive_avg_pool2d(cells_CWSS, self.config.grid)
        return kept.flatten(2).transpose(1, 2).flatten(0, 1)

    def prepared(self, video: Video) -> Tensor:
        """(T, 3, H, W) on the model's device and in its precision."""
        frames = [frame.cpu().numpy() for frame in sample_frames(video.frames, self.config.frames)]
        inputs = self.processor(frames, return_tensors="pt", input_data_format="channels_first")
        pixels: Tensor = inputs.pixel_values
        return pixels.to(self.model.device, self.model.dtype)

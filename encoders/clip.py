"""Images and videos through the vision tower of CLIP (Radford et al. 2021), SigLIP (Zhai et al.
2023; SigLIP 2: Tschannen et al. 2025) or BLIP-2 (Li et al. 2023), as in DreamLLM and LLaVA."""

# B pictures, T frames, K features, W width, E joint space

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    Blip2VisionModel,
    BlipImageProcessorPil,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPVisionModel,
    Siglip2ImageProcessorPil,
    Siglip2Model,
    Siglip2VisionModel,
    SiglipImageProcessorPil,
    SiglipModel,
    SiglipVisionModel,
)

from anygen.core.media import Media, Video, modality_of
from anygen.core.modality import MediaModality, Modality
from encoders.base import kind_of
from encoders.parts.pretrained import (
    ModelSettings,
    load,
    read_config,
    read_processor,
    read_tokenizer,
)
from encoders.parts.readers import in_groups, sample_frames

See = Callable[[Mapping[str, Tensor]], Tensor]

CHUNK = 16  # images at once, because the hidden states of all layers stay in memory


class Config(ModelSettings):
    """The defaults are those of DreamLLM and LLaVA."""

    joint: bool = False  # loads the text tower too, which `embed` needs
    select_layer: int = -2  # of the hidden states: 0 enters the first layer, -1 leaves the last
    class_token: bool = False  # whether it precedes the patches; SigLIP has none
    frames: PositiveInt = 8  # of a video, evenly spaced in time
    video: Literal["mean", "concat"] = "mean"  # of the frames; or one frame after the other


TINY = Config(
    sizes={
        "model_type": "clip_vision_model",
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    },
    frames=2,
)


def squares(vision: Any) -> dict[str, Any]:
    """Settings of a processor that makes squares."""
    side = vision.image_size
    return {"size": {"height": side, "width": side}, "crop_size": side}


def resized_squares(vision: Any) -> dict[str, Any]:
    """Settings of a processor that makes squares and has no crop."""
    return {"size": {"height": vision.image_size, "width": vision.image_size}}


def patches(vision: Any) -> dict[str, Any]:
    """Settings of a processor that keeps the aspect ratio and limits the number of patches."""
    return {"patch_size": vision.patch_size, "max_num_patches": vision.num_patches}


class VisionFamily(NamedTuple):
    """Classes of transformers; the processors are those that do not need torchvision."""

    vision: Any
    joint: Any  # the model with both towers; None: texts cannot be embedded
    processor: Any
    settings: Callable[[Any], dict[str, Any]]  # of a processor for random weights
    class_tokens: int
    renamed: Mapping[str, str] = {}  # names in the file of the whole model -> names in the tower
    normed: bool = False  # whether the last hidden state includes the norm that follows it


FAMILIES = {
    "clip": VisionFamily(CLIPVisionModel, CLIPModel, CLIPImageProcessorPil, squares, 1),
    "siglip": VisionFamily(SiglipVisionModel, SiglipModel, SiglipImageProcessorPil, squares, 0),
    "siglip2": VisionFamily(Siglip2VisionModel, Siglip2Model, Siglip2ImageProcessorPil, patches, 0),
    "blip-2": VisionFamily(
        Blip2VisionModel,
        None,
        BlipImageProcessorPil,
        resized_squares,
        1,
        renamed={r"^vision_model\.": ""},
        normed=True,  # BLIP-2, InstructBLIP and MiniGPT-v2 use it with that norm
    ),
}
TOWERS = {family.vision.config_class.model_type: family for family in FAMILIES.values()}


def build(config: Config, folder: Path, **_: Any) -> "Clip":
    """Raises ValueError if the model has another architecture, or lacks what the config needs."""
    described = read_config(config, [*FAMILIES, *TOWERS])
    alone = described.model_type in TOWERS
    family = (TOWERS if alone else FAMILIES)[described.model_type]
    if config.joint and (alone or family.joint is None or config.pretrained is None):
        raise ValueError("joint: texts need a pretrained model with a text tower and a tokenizer")
    vision = described if alone else described.vision_config
    vision.tie_last_hidden_states = family.normed
    most = vision.num_hidden_layers
    if not -most - 1 <= config.select_layer <= most:
        raise ValueError(
            f"select_layer is {config.select_layer}; a model of {most} layers has the hidden "
            f"states {-most - 1} to {most}"
        )
    return Clip(config, family, described, vision)


class Clip(nn.Module):
    """All weights are published ones: frozen, and not part of a checkpoint."""

    modalities: tuple[MediaModality, ...] = ("image", "video")
    frames: Mapping[MediaModality, int]
    frozen = ("model.",)

    def __init__(self, config: Config, family: VisionFamily, described: Any, vision: Any) -> None:
        super().__init__()
        self.config = config
        self.widths = dict.fromkeys(self.modalities, vision.hidden_size)
        self.frames = {"video": config.frames} if config.video == "concat" else {}
        self.embeds: tuple[Modality, ...] = ("text", *self.modalities) if config.joint else ()
        self.hidden_classes = 0 if config.class_token else family.class_tokens
        if config.pretrained is None:
            self.processor = family.processor(**family.settings(vision))
        else:
            self.processor = read_processor(family.processor, config)
        self.tokens = (
            family.class_tokens - self.hidden_classes + number_of_patches(self.processor, vision)
        )
        if config.joint:
            self.model = load(family.joint, described, config)
            self.tokenizer = read_tokenizer(config)
            self.text_length = described.text_config.max_position_embeddings
        else:
            self.model = load(family.vision, vision, config, family.renamed)

    def train(self, mode: bool = True) -> "Clip":
        """Stays in evaluation mode, because nothing here is trained."""
        return super().train(False)

    def length(self, modality: MediaModality) -> int:
        """K of every medium of a modality."""
        joined = modality == "video" and self.config.video == "concat"
        return self.tokens * (self.config.frames if joined else 1)

    @torch.no_grad()
    def encode(self, media: Sequence[Media]) -> list[Tensor]:
        """Features (K, W) per medium."""
        return in_groups(media, modality_of, self.features)

    @torch.no_grad()
    def embed(self, items: Sequence[Media | str]) -> Tensor:
        """(B, E), unit length; a video is the mean of its frames.

        Raises ValueError without `joint`.
        """
        if not self.config.joint:
            raise ValueError("this encoder has no joint space; write joint: true for clip")
        return torch.stack(in_groups(items, kind_of, self.embed_kind))

    def features(self, modality: MediaModality, media: Sequence[Any]) -> Tensor:
        """(B, K, W) of media of one modality."""
        if modality == "image":
            return self.in_chunks([image.pixels for image in media], self.hidden)
        frames_BTKW = self.per_frame(media, self.hidden)
        return frames_BTKW.mean(1) if self.config.video == "mean" else frames_BTKW.flatten(1, 2)

    def embed_kind(self, kind: Modality, items: Sequence[Any]) -> Tensor:
        if kind == "text":
            embedded = self.embed_texts(items)
        elif kind == "image":
            embedded = self.in_chunks([image.pixels for image in items], self.embed_images)
        else:
            embedded = self.per_frame(items, self.embed_images).mean(1)
        return functional.normalize(embedded.float(), dim=-1)

    def per_frame(self, videos: Sequence[Video], see: See) -> Tensor:
        """`see` of each frame, (B, T, ...)."""
        count = self.config.frames
        frames = [frame for video in videos for frame in sample_frames(video.frames, count)]
        return self.in_chunks(frames, see).unflatten(0, (len(videos), count))

    def in_chunks(self, images: Sequence[Tensor], see: See) -> Tensor:
        """Images (3, H, W) uint8 -> (B, ...), CHUNK at a time."""
        return torch.cat(
            [
                see(self.prepared(images[start : start + CHUNK]))
                for start in range(0, len(images), CHUNK)
            ]
        )

    def prepared(self, images: Sequence[Tensor]) -> Any:
        """The model's inputs, on its device and in its precision."""
        arrays = [image.cpu().numpy() for image in images]
        inputs = self.processor(arrays, return_tensors="pt", input_data_format="channels_first")
        return inputs.to(self.model.device, self.model.dtype)

    def hidden(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """(B, K, W) of the selected layer; the features of padding are zero."""
        tower = self.model.vision_model if self.config.joint else self.model
        states = tower(**inputs, output_hidden_states=True).hidden_states[self.config.select_layer]
        if "pixel_attention_mask" in inputs:
            states = states * inputs["pixel_attention_mask"][..., None]
        return states[:, self.hidden_classes :]

    def embed_images(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return functional.normalize(self.model.get_image_features(**inputs).pooler_output, dim=-1)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        inputs = self.tokenizer(
            list(texts),
            padding="max_length",  # as in SigLIP's training; CLIP ignores what follows the end
            max_length=self.text_length,
            truncation=True,
            return_tensors="pt",
        )
        return self.model.get_text_features(**inputs.to(self.model.device)).pooler_output


def number_of_patches(processor: Any, vision: Any) -> int:
    if isinstance(processor, Siglip2ImageProcessorPil):
        return int(processor.max_num_patches)
    return int(vision.image_size // vision.patch_size) ** 2

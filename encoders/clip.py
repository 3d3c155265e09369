"""Images and videos through the vision tower of CLIP (Radford et al. 2021) or SigLIP (Zhai et al.
2023; SigLIP 2: Tschannen et al. 2025), as DreamLLM and LLaVA-like models see."""

# B pictures, T frames, K features, W width, E joint space

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
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
from encoders.parts.published import Source, load, read_config, read_tokenizer, reading
from encoders.parts.readers import in_groups, spread

See = Callable[[Mapping[str, Tensor]], Tensor]

CHUNK = 16  # pictures at once: the hidden states of all layers are kept


class Config(Source):
    """The defaults are those of DreamLLM and LLaVA."""

    joint: bool = False  # load the text tower, too: `embed` needs it
    select_layer: int = -2  # of the hidden states: 0 is what enters the first layer, -1 the last
    class_token: bool = False  # whether it stands before the patches; CLIP has one, SigLIP none
    frames: PositiveInt = 8  # of a video, evenly spread over its time
    video: Literal["mean", "concat"] = "mean"  # over its frames, or one frame after the other


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
    """Settings of a processor that fills squares."""
    side = vision.image_size
    return {"size": {"height": side, "width": side}, "crop_size": side}


def patches(vision: Any) -> dict[str, Any]:
    """Settings of one that keeps the aspect ratio, and so many patches of a picture at most."""
    return {"patch_size": vision.patch_size, "max_num_patches": vision.num_patches}


class Family(NamedTuple):
    """Classes of transformers; the processors are those that need no torchvision."""

    vision: Any
    whole: Any
    processor: Any
    settings: Callable[[Any], dict[str, Any]]  # of a processor for random weights
    class_tokens: int


FAMILIES = {
    "clip": Family(CLIPVisionModel, CLIPModel, CLIPImageProcessorPil, squares, 1),
    "siglip": Family(SiglipVisionModel, SiglipModel, SiglipImageProcessorPil, squares, 0),
    "siglip2": Family(Siglip2VisionModel, Siglip2Model, Siglip2ImageProcessorPil, patches, 0),
}
TOWER = "_vision_model"  # how the model_type of a tower alone ends


def build(config: Config, folder: Path, **_: Any) -> "Clip":
    """Raises ValueError for a model that is neither CLIP nor SigLIP, or lacks what is asked for."""
    described = read_config(config, [*FAMILIES, *(name + TOWER for name in FAMILIES)])
    kind = described.model_type
    if config.joint and (kind.endswith(TOWER) or config.pretrained is None):
        raise ValueError("joint: texts need a pretrained model with a text tower and a tokenizer")
    vision = described if kind.endswith(TOWER) else described.vision_config
    most = vision.num_hidden_layers
    if not -most - 1 <= config.select_layer <= most:
        raise ValueError(
            f"select_layer is {config.select_layer}; a model of {most} layers has the hidden "
            f"states {-most - 1} to {most}"
        )
    return Clip(config, FAMILIES[kind.removesuffix(TOWER)], described, vision)


class Clip(nn.Module):
    """The weights are their publisher's: frozen, and no part of a checkpoint."""

    modalities: tuple[MediaModality, ...] = ("image", "video")
    frames: Mapping[MediaModality, int]
    frozen = ("model.",)

    def __init__(self, config: Config, family: Family, described: Any, vision: Any) -> None:
        super().__init__()
        self.config = config
        self.widths = dict.fromkeys(self.modalities, vision.hidden_size)
        self.frames = {"video": config.frames} if config.video == "concat" else {}
        self.embeds: tuple[Modality, ...] = ("text", *self.modalities) if config.joint else ()
        self.hidden_classes = 0 if config.class_token else family.class_tokens
        if config.pretrained is None:
            self.processor = family.processor(**family.settings(vision))
        else:
            with reading(config.pretrained):
                self.processor = family.processor.from_pretrained(config.pretrained)
        self.tokens = (
            family.class_tokens - self.hidden_classes + number_of_patches(self.processor, vision)
        )
        if config.joint:
            self.model = load(family.whole, described, config)
            self.tokenizer = read_tokenizer(config)
            self.text_length = described.text_config.max_position_embeddings
        else:
            self.model = load(family.vision, vision, config)

    def train(self, mode: bool = True) -> "Clip":
        """Always as in evaluation: nothing here learns."""
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
        """(B, E), unit length; a video is the mean of its frames. ValueError without `joint`."""
        if not self.config.joint:
            raise ValueError("this encoder has no joint space; write joint: true for clip")
        return torch.stack(in_groups(items, kind_of, self.embed_kind))

    def features(self, modality: MediaModality, media: Sequence[Any]) -> Tensor:
        """(B, K, W) of media of one modality."""
        if modality == "image":
            return self.seen([image.pixels for image in media], self.hidden)
        frames_BTKW = self.of_frames(media, self.hidden)
        return frames_BTKW.mean(1) if self.config.video == "mean" else frames_BTKW.flatten(1, 2)

    def embed_kind(self, kind: Modality, items: Sequence[Any]) -> Tensor:
        if kind == "text":
            embedded = self.embed_texts(items)
        elif kind == "image":
            embedded = self.seen([image.pixels for image in items], self.embed_pictures)
        else:
            embedded = self.of_frames(items, self.embed_pictures).mean(1)
        return functional.normalize(embedded.float(), dim=-1)

    def of_frames(self, videos: Sequence[Video], see: See) -> Tensor:
        """What is seen in each frame, (B, T, ...)."""
        count = self.config.frames
        frames = [frame for video in videos for frame in spread(video.frames, count)]
        return self.seen(frames, see).unflatten(0, (len(videos), count))

    def seen(self, pictures: Sequence[Tensor], see: See) -> Tensor:
        """Pictures (3, H, W) uint8 -> (B, ...), a few at a time."""
        return torch.cat(
            [
                see(self.prepared(pictures[start : start + CHUNK]))
                for start in range(0, len(pictures), CHUNK)
            ]
        )

    def prepared(self, pictures: Sequence[Tensor]) -> Any:
        """What the model takes, on its device and of its precision."""
        arrays = [picture.cpu().numpy() for picture in pictures]
        inputs = self.processor(arrays, return_tensors="pt", input_data_format="channels_first")
        return inputs.to(self.model.device, self.model.dtype)

    def hidden(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """(B, K, W) of the selected layer; what only fills up a picture's patches is zero."""
        tower = self.model.vision_model if self.config.joint else self.model
        states = tower(**inputs, output_hidden_states=True).hidden_states[self.config.select_layer]
        if "pixel_attention_mask" in inputs:
            states = states * inputs["pixel_attention_mask"][..., None]
        return states[:, self.hidden_classes :]

    def embed_pictures(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return functional.normalize(self.model.get_image_features(**inputs).pooler_output, dim=-1)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        inputs = self.tokenizer(
            list(texts),
            padding="max_length",  # as SigLIP was trained; CLIP does not look behind the end
            max_length=self.text_length,
            truncation=True,
            return_tensors="pt",
        )
        return self.model.get_text_features(**inputs.to(self.model.device)).pooler_output


def number_of_patches(processor: Any, vision: Any) -> int:
    if isinstance(processor, Siglip2ImageProcessorPil):
        return int(processor.max_num_patches)
    return int(vision.image_size // vision.patch_size) ** 2

"""ImageBind (Girdhar et al. 2023): image, video, audio, text, depth, thermal and IMU data in one
joint space. It is the encoder of NExT-GPT, PandaGPT and ImageBind-LLM.

The code is our own; the licence of the published weights (CC-BY-NC-SA 4.0) forbids commercial use.
"""

# B items, S views of an item, K features of an item, D width of a tower, E joint space

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import torch
from pydantic import PositiveInt, model_validator
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from anygen.core.media import Media
from anygen.core.modality import MEDIA, MediaModality, Modality
from anygen.core.schema import Strict
from anygen.io.paths import user_path
from anygen.io.pretrained import shapes_only
from encoders.base import kind_of
from encoders.parts.imagebind import towers
from encoders.parts.imagebind.pictures import image_views, video_views
from encoders.parts.imagebind.sounds import sound_views
from encoders.parts.imagebind.texts import text_ids
from encoders.parts.imagebind.towers import HUGE, Sizes, TowerName
from encoders.parts.imagebind.weights import read_pretrained
from encoders.parts.readers import in_groups

CHUNK = 32  # views at once: more are hardly faster and need more memory


class Config(Strict):
    """The defaults are imagebind_huge: 1.2 billion parameters, 0.72 of them in vision and audio.

    `towers` are built and loaded; the text tower serves only `embed`. `features` of a medium: `cls`
    is one vector for all of it, as in NExT-GPT's published model; `patches` is one per patch, as in
    NExT-GPT's paper. `tokenizer` is CLIP's tokenizer.json beside the config, for the text tower.
    """

    pretrained: str | None = None  # imagebind_huge.pth, or safetensors with the same names
    towers: tuple[TowerName, ...] = ("vision", "audio")
    features: Literal["cls", "patches"] = "cls"
    tokenizer: str | None = None
    sizes: dict[TowerName, Sizes] = HUGE
    joint: PositiveInt = 1024  # E
    vocabulary: PositiveInt = 49_408

    @model_validator(mode="after")
    def _towers_have_what_they_need(self) -> Self:
        for tower in self.towers:
            if tower not in self.sizes:
                raise ValueError(
                    f"the tower {tower} has no sizes; there are {', '.join(self.sizes)}"
                )
        if "text" in self.towers and self.tokenizer is None:
            raise ValueError("the tower text needs a tokenizer: CLIP's tokenizer.json")
        return self


TINY = Config(
    towers=("vision", "text", "audio", "depth", "thermal", "imu"),
    features="patches",
    tokenizer="captions.json",
    sizes={
        "vision": Sizes(width=16, blocks=2, heads=2, input=(28, 28)),
        "text": Sizes(width=16, blocks=1, heads=2, input=(24,)),
        "audio": Sizes(width=16, blocks=1, heads=2, input=(32, 204)),
        "depth": Sizes(width=8, blocks=1, heads=2, input=(32, 32)),
        "thermal": Sizes(width=8, blocks=1, heads=2, input=(32, 32)),
        "imu": Sizes(width=8, blocks=1, heads=2, input=(64,)),
    },
    joint=16,
    vocabulary=512,
)


def build(config: Config, folder: Path, **_: Any) -> "ImageBind":
    """`folder` holds the config's tokenizer. On the meta device no weights are read.

    Raises ValueError if the tokenizer or the weights are missing or do not fit.
    """
    tokenizer = read_tokenizer(folder / config.tokenizer, config) if config.tokenizer else None
    if config.pretrained is None or shapes_only():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # no checkpoint has these weights: every process makes the same
            return ImageBind(config, tokenizer)
    with torch.device("meta"):
        encoder = ImageBind(config, tokenizer)
    weights = read_pretrained(user_path(config.pretrained), encoder.state_dict())
    encoder.load_state_dict(weights, assign=True)
    return encoder


def read_tokenizer(path: Path, config: Config) -> Tokenizer:
    if not path.is_file():
        raise ValueError(f"the encoder imagebind needs the file {path}, which does not exist")
    tokenizer = Tokenizer.from_file(str(path))
    words = tokenizer.get_vocab_size()
    if words > config.vocabulary or (config.pretrained and words != config.vocabulary):
        raise ValueError(
            f"the tokenizer {path} has {words:,} words, the tower text {config.vocabulary:,}"
        )
    return tokenizer


@dataclass(frozen=True)
class MediaInput:
    """The tower that reads a medium, and its input: (medium, input size) -> views (S, ...)."""

    tower: TowerName
    views: Callable[[Any, Any], Tensor]


INPUTS: dict[MediaModality, MediaInput] = {
    "image": MediaInput("vision", image_views),
    "audio": MediaInput("audio", sound_views),
    "video": MediaInput("vision", video_views),
}


class ImageBind(nn.Module):
    """Features of media, and a joint space of six kinds of data.

    Parameters and buffers have the published names. All weights are published ones: frozen, and not
    part of a checkpoint. The sound of a video is ignored.
    """

    frames: Mapping[MediaModality, int] = {}
    frozen = ("modality_",)

    def __init__(self, config: Config, tokenizer: Tokenizer | None) -> None:
        super().__init__()
        self.config, self.tokenizer = config, tokenizer
        self.modalities = tuple(m for m in MEDIA if INPUTS[m].tower in config.towers)
        self.widths: dict[MediaModality, int] = dict.fromkeys(self.modalities, config.joint)
        texts: tuple[Modality, ...] = ("text",) if "text" in config.towers else ()
        self.embeds: tuple[Modality, ...] = (*texts, *self.modalities)
        sizes = {tower: config.sizes[tower] for tower in config.towers}
        self.modality_preprocessors = nn.ModuleDict(
            {t: towers.preprocessor(t, size, config.vocabulary) for t, size in sizes.items()}
        )
        self.modality_trunks = nn.ModuleDict({t: towers.Trunk(t, s) for t, s in sizes.items()})
        self.modality_heads = nn.ModuleDict(
            {t: towers.head(t, size, config.joint) for t, size in sizes.items()}
        )
        self.modality_postprocessors = nn.ModuleDict({t: towers.postprocessor(t) for t in sizes})
        self.eval().requires_grad_(False)

    def length(self, modality: MediaModality) -> int:
        """K: 1, or the number of patches of a view (256 of vision, 228 of audio)."""
        tower = INPUTS[modality].tower
        return (
            1
            if self.config.features == "cls"
            else towers.patch_count(tower, self.config.sizes[tower])
        )

    def encode(self, media: Sequence[Media]) -> list[Tensor]:
        """Features (K, E) per medium, in the precision of the parameters.

        They are means over a medium's views of vectors of unit length. NExT-GPT and PandaGPT were
        trained with these, not with the scaled vectors of the published joint space.
        """
        return in_groups(media, kind_of, self.encode_kind)

    def encode_kind(self, kind: Modality, media: Sequence[Media]) -> Tensor:
        tower, views = self.views(kind, media)
        features_BKE = self.read(tower, views, patches=self.config.features == "patches")
        return features_BKE.to(next(self.parameters()).dtype)

    def embed(self, items: Sequence[Media | str]) -> Tensor:
        """(B, E), unit length. Raises ValueError for items that no tower of this encoder reads."""
        return torch.stack(in_groups(items, kind_of, self.embed_kind))

    def embed_kind(self, kind: Modality, items: Sequence[Any]) -> Tensor:
        return self.embed_tensor(*self.views(kind, items))

    def embed_tensor(self, tower: TowerName, inputs: Tensor) -> Tensor:
        """(B, E), unit length, of the inputs of `forward`."""
        return functional.normalize(self(tower, inputs), dim=-1)

    def forward(self, tower: TowerName, inputs: Tensor) -> Tensor:
        """(B, E), exactly as published: means over views of vectors whose length is the scale.

        Inputs are items (B, ...) or several views of each (B, S, ...). vision: normalised images
        (3, 224, 224) or pairs of frames (3, 2, 224, 224); text: ids (77,); audio: spectrograms
        (1, 128, 204); depth: disparities, and thermal: temperatures, (1, 224, 224); imu:
        accelerations and turning rates (6, 2000). Raises ValueError for other shapes.
        """
        units = self.read(tower, inputs, patches=False)[:, 0]
        return self.modality_postprocessors[tower](units)

    def read(self, tower: TowerName, inputs: Tensor, patches: bool) -> Tensor:
        """(B, K, E) float32: means over views of vectors of unit length."""
        views = towers.in_views(tower, self.sizes(tower), inputs)  # (B, S, ...)
        chunks = views.flatten(0, 1).split(CHUNK)
        units = torch.cat([self.read_views(tower, chunk, patches) for chunk in chunks])
        return units.unflatten(0, views.shape[:2]).mean(1)

    def read_views(self, tower: TowerName, views: Tensor, patches: bool) -> Tensor:
        place = next(self.parameters())
        views = views.to(place.device, place.dtype if views.is_floating_point() else None)
        preprocessor = self.modality_preprocessors[tower]
        tokens = self.modality_trunks[tower](preprocessor(views), preprocessor.mask)
        chosen = tokens[:, 1:] if patches else preprocessor.whole(views, tokens)
        return functional.normalize(self.modality_heads[tower](chosen).float(), dim=-1)

    def views(self, kind: Modality, items: Sequence[Any]) -> tuple[TowerName, Tensor]:
        """The tower that reads items of a kind, and its input, (B, S, ...)."""
        if kind == "text":
            [length] = self.sizes("text").input
            assert self.tokenizer is not None  # checked by Config
            return "text", text_ids(items, self.tokenizer, length, self.config.vocabulary)[:, None]
        source = INPUTS[kind]
        size = self.sizes(source.tower).input
        return source.tower, torch.stack([source.views(item, size) for item in items])

    def sizes(self, tower: TowerName) -> Sizes:
        """Raises ValueError for a tower that was not built."""
        if tower not in self.config.towers:
            raise ValueError(
                f"this ImageBind has no tower {tower}; it was built with "
                f"{', '.join(self.config.towers)}"
            )
        return self.config.sizes[tower]

"""ImageBind (Girdhar et al. 2023): images, videos, sounds and texts, depth, heat and motion in one
joint space. What NExT-GPT, PandaGPT and ImageBind-LLM listen with.

Our own code for the published weights, whose licence (CC-BY-NC-SA 4.0) allows no commercial use.
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
from encoders.base import kind_of
from encoders.parts.imagebind import towers
from encoders.parts.imagebind.pictures import image_views, video_views
from encoders.parts.imagebind.sounds import sound_views
from encoders.parts.imagebind.texts import text_ids
from encoders.parts.imagebind.towers import HUGE, Sizes, TowerName
from encoders.parts.imagebind.weights import read_published
from encoders.parts.readers import in_groups

CHUNK = 32  # views at once: more are hardly faster and need memory


class Config(Strict):
    """The sizes of imagebind_huge, 1.2 billion parameters; vision and audio have 0.72 of them.

    `towers`: what is built and loaded; the text tower only embeds texts beside media.
    `features`: what the LLM is told of a medium. `cls`: one vector for the whole, as in NExT-GPT's
    published model; `patches`: one for each patch, as NExT-GPT groups them.
    `tokenizer`: CLIP's tokenizer.json, beside the config; for the text tower alone.
    """

    pretrained: str | None = None  # imagebind_huge.pth, or safetensors of the same names
    towers: tuple[TowerName, ...] = ("vision", "audio")
    features: Literal["cls", "patches"] = "cls"
    tokenizer: str | None = None
    sizes: dict[TowerName, Sizes] = HUGE
    joint: PositiveInt = 1024  # E
    vocabulary: PositiveInt = 49_408

    @model_validator(mode="after")
    def what_towers_need(self) -> Self:
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
    """`folder`: where the config's tokenizer lies. On the meta device no weights are read.

    Raises ValueError if the tokenizer or the weights are not there or do not fit.
    """
    tokenizer = read_tokenizer(folder / config.tokenizer, config) if config.tokenizer else None
    if config.pretrained is None or torch.get_default_device().type == "meta":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # weights that no model saves are the same in every process
            return ImageBind(config, tokenizer)
    with torch.device("meta"):
        encoder = ImageBind(config, tokenizer)
    published = read_published(Path(config.pretrained).expanduser(), encoder.state_dict())
    encoder.load_state_dict(published, assign=True)
    return encoder


def read_tokenizer(path: Path, config: Config) -> Tokenizer:
    if not path.is_file():
        raise ValueError(f"the encoder imagebind needs the file {path}, and there is none")
    tokenizer = Tokenizer.from_file(str(path))
    words = tokenizer.get_vocab_size()
    if words > config.vocabulary or (config.pretrained and words != config.vocabulary):
        raise ValueError(
            f"the tokenizer {path} has {words:,} words, the tower text {config.vocabulary:,}"
        )
    return tokenizer


@dataclass(frozen=True)
class Reading:
    """Which tower reads a medium, and how: (medium, the tower's input size) -> views (S, ...)."""

    tower: TowerName
    views: Callable[[Any, Any], Tensor]


READINGS: dict[MediaModality, Reading] = {
    "image": Reading("vision", image_views),
    "audio": Reading("audio", sound_views),
    "video": Reading("vision", video_views),
}


class ImageBind(nn.Module):
    """An encoder of media, and of six kinds of things into one space.

    Parameters and buffers have the published names. The weights are their publisher's: frozen, and
    no part of a checkpoint. A video's own sound is not heard.
    """

    frames: Mapping[MediaModality, int] = {}
    frozen = ("modality_",)

    def __init__(self, config: Config, tokenizer: Tokenizer | None) -> None:
        super().__init__()
        self.config, self.tokenizer = config, tokenizer
        self.modalities = tuple(m for m in MEDIA if READINGS[m].tower in config.towers)
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
        """K of every medium of a modality: 1, or the patches of a view (256 of vision, 228 of
        audio)."""
        tower = READINGS[modality].tower
        whole = self.config.features == "cls"
        return 1 if whole else towers.patch_count(tower, self.config.sizes[tower])

    def encode(self, media: Sequence[Media]) -> list[Tensor]:
        """Features (K, E) per medium, in the precision of the parameters.

        Means over a medium's views of vectors of unit length: those of sounds are not longer than
        others, as they are in the published space. So NExT-GPT and PandaGPT were trained.
        """
        return in_groups(media, kind_of, self.encode_kind)

    def encode_kind(self, kind: Modality, media: Sequence[Media]) -> Tensor:
        tower, views = self.views(kind, media)
        features_BKE = self.read(tower, views, patches=self.config.features == "patches")
        return features_BKE.to(next(self.parameters()).dtype)

    def embed(self, items: Sequence[Media | str]) -> Tensor:
        """(B, E), unit length. Raises ValueError for what no tower of this encoder reads."""
        return torch.stack(in_groups(items, kind_of, self.embed_kind))

    def embed_kind(self, kind: Modality, items: Sequence[Any]) -> Tensor:
        return self.embed_tensor(*self.views(kind, items))

    def embed_tensor(self, tower: TowerName, inputs: Tensor) -> Tensor:
        """(B, E), unit length, of what `forward` takes."""
        return functional.normalize(self(tower, inputs), dim=-1)

    def forward(self, tower: TowerName, inputs: Tensor) -> Tensor:
        """(B, E), exactly as published: means over views of vectors as long as the tower's scale.

        Inputs are items (B, ...) or several views of each (B, S, ...): for vision normalised
        pictures (3, 224, 224) or pairs of frames (3, 2, 224, 224), for text ids (77,), for audio
        spectrograms (1, 128, 204), for depth disparities and for thermal heat (1, 224, 224), for
        imu accelerations and turning rates (6, 2000). Raises ValueError for other shapes.
        """
        units = self.read(tower, inputs, patches=False)[:, 0]
        return self.modality_postprocessors[tower](units)

    def read(self, tower: TowerName, inputs: Tensor, patches: bool) -> Tensor:
        """(B, K, E) float32, of unit length in each view, then the mean over views."""
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
        """The tower that reads things of a kind, and what it reads of them, (B, S, ...)."""
        if kind == "text":
            [length] = self.sizes("text").input
            assert self.tokenizer is not None  # the config was refused otherwise
            return "text", text_ids(items, self.tokenizer, length, self.config.vocabulary)[:, None]
        reading = READINGS[kind]
        size = self.sizes(reading.tower).input
        return reading.tower, torch.stack([reading.views(item, size) for item in items])

    def sizes(self, tower: TowerName) -> Sizes:
        """Raises ValueError for a tower that was not built."""
        if tower not in self.config.towers:
            raise ValueError(
                f"this ImageBind has no tower {tower}; it was built with "
                f"{', '.join(self.config.towers)}"
            )
        return self.config.sizes[tower]

"""One encoder that consists of encoders of different modalities."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, RootModel
from torch import Tensor, nn

from anygen.core.media import Media, modality_of
from anygen.core.modality import MediaModality, Modality
from encoders import clap, clip
from encoders.base import Encoder, kind_of
from encoders.parts.readers import in_groups

BuildPart = Callable[[MediaModality, Mapping[str, Any]], Encoder]


class Part(BaseModel):
    """An encoder's name, and its settings, which its own Config checks."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str


class Config(RootModel[Annotated[dict[MediaModality, Part], Field(min_length=1)]]):
    """The encoder of each modality. Equal settings share one encoder."""

    model_config = ConfigDict(frozen=True)


TINY = Config(
    {
        "image": Part(name="clip", **clip.TINY.model_dump()),
        "audio": Part(name="clap", **clap.TINY.model_dump()),
        "video": Part(name="clip", **clip.TINY.model_dump()),
    }
)


def build(config: Config, folder: Path, build_part: BuildPart, **_: Any) -> "Composite":
    """`build_part` builds an encoder from its settings.

    Raises ValueError if an encoder lacks the modality it is named for.
    """
    built: list[tuple[Part, Encoder]] = []
    parts: dict[MediaModality, Encoder] = {}
    for modality, part in config.root.items():
        equal = [encoder for other, encoder in built if other == part]
        parts[modality] = equal[0] if equal else build_part(modality, part.model_dump())
        built.append((part, parts[modality]))
        if modality not in parts[modality].modalities:
            known = " and ".join(parts[modality].modalities)
            raise ValueError(f"the encoder {part.name} is for {known}, not for {modality}")
    return Composite(parts).eval()


class Composite(nn.Module):
    """Each modality through its own encoder, which also lists its own frozen weights."""

    def __init__(self, parts: Mapping[MediaModality, Encoder]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.modalities = tuple(parts)
        self.widths = {modality: part.widths[modality] for modality, part in parts.items()}
        self.frames = {m: part.frames[m] for m, part in parts.items() if m in part.frames}
        embedded = [m for m, part in parts.items() if m in part.embeds]
        self.embeds: tuple[Modality, ...] = ("text", *embedded) if embedded else ()

    def length(self, modality: MediaModality) -> int:
        """K of every medium of a modality."""
        return self.encoder_of(modality).length(modality)

    def encode(self, media: Sequence[Media]) -> list[Tensor]:
        """Features (K, W) per medium."""
        return in_groups(media, modality_of, lambda m, group: self.encoder_of(m).encode(group))

    def embed(self, items: Sequence[Media | str]) -> Tensor:
        """(B, E), unit length, by the encoder of the media among the items.

        Texts alone are embedded if exactly one encoder has a joint space. Raises ValueError for
        media of several encoders, which share no space.
        """
        kinds = [kind for kind in map(kind_of, items) if kind != "text"] or self.embeds[1:]
        spaces = {id(encoder): encoder for encoder in map(self.encoder_of, kinds)}
        if len(spaces) != 1:
            kinds_of_items = " and ".join(sorted({kind_of(item) for item in items}))
            raise ValueError(f"no single encoder has a joint space of {kinds_of_items}")
        [encoder] = spaces.values()
        return encoder.embed(items)

    def encoder_of(self, modality: Modality) -> Encoder:
        return cast(Encoder, self.parts[modality])

"""The table of modalities: one row for each, and the only place that lists them."""

from dataclasses import dataclass
from typing import Literal, get_args

MediaModality = Literal["image", "audio", "video"]
Modality = Literal["text", "image", "audio", "video"]

MEDIA: tuple[MediaModality, ...] = get_args(MediaModality)
MODALITIES: tuple[Modality, ...] = get_args(Modality)


@dataclass(frozen=True)
class ModalityRow:
    """What all parts of the system need to know about one media modality."""

    signal_tokens: int  # by default; the counts of NExT-GPT
    marker: str  # in names of signal tokens, such as <IMG_0>
    write_suffixes: tuple[str, ...]  # of files that can be written; the first is the default
    read_suffixes: tuple[str, ...]  # of files that can be read

    @property
    def suffix(self) -> str:
        """The default suffix of files that are written."""
        return self.write_suffixes[0]


WEB_PICTURES = (".png", ".jpg", ".jpeg", ".webp")

TABLE: dict[MediaModality, ModalityRow] = {
    "image": ModalityRow(
        signal_tokens=4,
        marker="IMG",
        write_suffixes=WEB_PICTURES,
        read_suffixes=(*WEB_PICTURES, ".gif", ".bmp", ".tif", ".tiff", ".avif"),
    ),
    "audio": ModalityRow(
        signal_tokens=8,
        marker="AUD",
        write_suffixes=(".wav", ".flac", ".ogg"),
        read_suffixes=(".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aiff", ".aif"),
    ),
    "video": ModalityRow(
        signal_tokens=24,
        marker="VID",
        write_suffixes=(".mp4",),
        read_suffixes=(".mp4", ".webm", ".mov", ".mkv", ".apng"),
    ),
}


def parse_modalities(text: str) -> tuple[Modality, ...]:
    """The modalities in a text such as `image,audio`, in the order of the table.

    Raises ValueError.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in MODALITIES:
            raise ValueError(f"no modality {name!r}; there are {', '.join(MODALITIES)}")
    return tuple(modality for modality in MODALITIES if modality in names)

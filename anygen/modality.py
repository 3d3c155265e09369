"""The table of modalities: one row each, and no other place that lists them."""

from dataclasses import dataclass
from typing import Literal, get_args

MediaModality = Literal["image", "audio", "video"]
Modality = Literal["text", "image", "audio", "video"]

MEDIA: tuple[MediaModality, ...] = get_args(MediaModality)
MODALITIES: tuple[Modality, ...] = get_args(Modality)


@dataclass(frozen=True)
class ModalityRow:
    """What every part of the system needs to know of one media modality."""

    signal_tokens: int  # length of the span that the LLM emits; NExT-GPT's counts
    marker: str  # how signal tokens are spelt: <IMG_0> ... <IMG_3>
    suffix: str  # of the files that we write
    read_suffixes: tuple[str, ...]  # of the files that we read


TABLE: dict[MediaModality, ModalityRow] = {
    "image": ModalityRow(4, "IMG", ".png", (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")),
    "audio": ModalityRow(8, "AUD", ".wav", (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a")),
    "video": ModalityRow(24, "VID", ".mp4", (".mp4", ".webm", ".mov", ".mkv")),
}

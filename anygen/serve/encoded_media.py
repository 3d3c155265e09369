"""Media as the bytes of files."""

from __future__ import annotations

import hashlib
import tempfile
from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from anygen.core.media import Media, modality_of
from anygen.core.modality import MediaModality
from anygen.io.media_files import write_media

# What clients call a format -> suffix and media type
FORMATS: dict[MediaModality, dict[str, tuple[str, str]]] = {
    "image": {
        "png": (".png", "image/png"),
        "jpeg": (".jpg", "image/jpeg"),
        "webp": (".webp", "image/webp"),
    },
    "audio": {
        "wav": (".wav", "audio/wav"),
        "flac": (".flac", "audio/flac"),
        "opus": (".ogg", "audio/ogg"),
    },
    "video": {"mp4": (".mp4", "video/mp4")},
}
DEFAULTS: dict[MediaModality, str] = {m: next(iter(forms)) for m, forms in FORMATS.items()}


@dataclass(frozen=True)
class EncodedMedia:
    """The file of a medium: the bytes that `anygen generate --no-metadata` writes."""

    data: bytes
    format: str
    media_type: str

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def base64(self) -> str:
        return b64encode(self.data).decode()

    @property
    def data_url(self) -> str:
        return f"data:{self.media_type};base64,{self.base64}"


def encode_media(medium: Media, form: str | None = None) -> EncodedMedia:
    """The medium as a file, by default in the first format of its modality. Raises MediaError."""
    modality = modality_of(medium)
    form = form or DEFAULTS[modality]
    suffix, media_type = FORMATS[modality][form]
    with tempfile.TemporaryDirectory(prefix="anygen-") as folder:
        path = write_media(medium, Path(folder) / f"medium{suffix}")
        return EncodedMedia(path.read_bytes(), form, media_type)

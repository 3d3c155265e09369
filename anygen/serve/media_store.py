"""Media as the bytes of files, and a store that keeps them for a while under their SHA-256."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable
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


class MediaStore:
    """Keeps files for a number of seconds, and at most so many bytes of them: the oldest go first.

    For any thread.
    """

    def __init__(
        self, max_bytes: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.max_bytes, self.seconds, self.clock = max_bytes, seconds, clock
        self.bytes = 0
        self._files: dict[str, tuple[EncodedMedia, float]] = {}  # with the time of their end
        self._lock = threading.Lock()

    def put(self, encoded: EncodedMedia) -> bool:
        """Keeps a file from now on; False if it alone is larger than all that may be kept."""
        size = len(encoded.data)
        if size > self.max_bytes:
            return False
        with self._lock:
            self._drop(encoded.sha256)
            for name, (_, end) in list(self._files.items()):  # the oldest first
                if end > self.clock() and self.bytes + size <= self.max_bytes:
                    break
                self._drop(name)
            self._files[encoded.sha256] = encoded, self.clock() + self.seconds
            self.bytes += size
        return True

    def get(self, sha256: str) -> EncodedMedia | None:
        with self._lock:
            encoded, end = self._files.get(sha256, (None, 0.0))
            if encoded is not None and end <= self.clock():
                self._drop(sha256)
                return None
            return encoded

    def _drop(self, sha256: str) -> None:
        if sha256 in self._files:
            encoded, _ = self._files.pop(sha256)
            self.bytes -= len(encoded.data)

"""The media that rows name: files of one folder, or bytes in the rows that become files."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import torch

from anygen.core.media import Image, Video
from anygen.core.modality import TABLE, MediaModality
from anygen.core.records import MediaContent
from anygen.io.atomic import replacing
from anygen.io.media_files import printable, read_bytes, suffix_of, write_media

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
DATA_URI = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
FRAMES_PER_SECOND = 1.0  # of clips that are published as a list of frames


@dataclass(frozen=True)
class MediaFolder:
    """Where media are found, and where those inside the rows are written."""

    root: Path  # names in rows are relative to it
    out: Path  # paths in records are relative to it
    inline: Path  # receives what rows hold as bytes, each file named by the hash of its content

    def medium(self, modality: MediaModality, value: Any, caption: str | None = None) -> Any:
        """A medium of the record for a name, a data URI, or a dict of `bytes` or `path`.

        Raises ValueError if there is no such file below the folder.
        """
        return MediaContent(type=modality, path=self.locate(value), caption=caption)

    def locate(self, value: Any) -> str:
        """The path in the record. Raises ValueError."""
        if isinstance(value, dict):
            data, value = value.get("bytes"), value.get("path")
            if isinstance(data, bytes):
                return self.store(data)
        if not isinstance(value, str) or not value.strip():
            raise ValueError("the name of a file is missing")
        if start := DATA_URI.match(value):
            return self.store(decode_base64(value[start.end() :]))
        path = self.root / confined(value)
        if not is_file(path):
            raise ValueError(f"{short(value)}: no such file in {printable(self.root)}")
        return self.relative(path)

    def has(self, name: str) -> bool:
        """Whether there is such a file. Raises ValueError for a name that leads outside."""
        return is_file(self.root / confined(name))

    def relative(self, path: Path) -> str:
        return Path(os.path.relpath(path.absolute(), self.out.absolute())).as_posix()

    def moved(self, path: Path) -> str:
        """The path in the record of a file that may lie anywhere: outside `out` it is copied."""
        if path.absolute().is_relative_to(self.out.absolute()) or not is_file(path):
            return self.relative(path)
        return self.store(path.read_bytes())

    def store(self, data: bytes) -> str:
        """Writes the bytes of a file once. Raises ValueError if they are not a medium."""
        suffix = suffix_of(data, "the bytes in the row")
        path = self.inline / f"{hashlib.sha256(data).hexdigest()[:32]}{suffix}"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(data)
        return self.relative(path)

    def store_clip(self, frames: list[str]) -> str:
        """Writes a video of pictures, which are paths as `store` gives them. Raises ValueError."""
        name = hashlib.sha256("\n".join(map(os.path.basename, frames)).encode()).hexdigest()
        path = self.inline / f"{name[:32]}{TABLE['video'].suffix}"
        if not path.exists():
            media = [read_bytes((self.out / frame).read_bytes(), frame) for frame in frames]
            images = [medium.pixels for medium in media if isinstance(medium, Image)]
            if len({image.shape for image in images}) != 1 or len(images) != len(frames):
                raise ValueError("the frames of the clip are not pictures of one size")
            write_media(Video(torch.stack(images), FRAMES_PER_SECOND), path)
        return self.relative(path)


def confined(name: str) -> str:
    """The name, if it stays below the folder it is relative to. Raises ValueError."""
    if ADDRESS.match(name):
        raise ValueError(f"{short(name)}: is an address; fetch the file and name it instead")
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive:
        raise ValueError(f"{short(name)}: is an absolute path; name it below --media")
    if Path(os.path.normpath(name)).parts[:1] == ("..",):
        raise ValueError(f"{short(name)}: leads out of --media")
    return name


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def short(name: str) -> str:
    text = printable(name)
    return text if len(text) <= 80 else f"{text[:60]}..."


def decode_base64(text: str) -> bytes:
    """Raises ValueError."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the base64 text of a medium is damaged") from None


def has_media_suffix(name: str) -> bool:
    return suffix_modality(name) is not None


def modality_of_name(name: str) -> MediaModality:
    """The modality that the suffix of a file stands for. Raises ValueError."""
    modality = suffix_modality(name)
    if modality is None:
        raise ValueError(f"{short(name)}: its suffix is that of no picture, sound or video")
    return modality


def suffix_modality(name: str) -> MediaModality | None:
    suffix = PurePosixPath(name).suffix.lower()
    return next((m for m, row in TABLE.items() if suffix in row.read_suffixes), None)

"""Reads and writes media files; no other package uses Pillow's, soundfile's or PyAV's codecs.

The first bytes of a file decide its format, not its name. Large and long media are sampled or
refused, so that no file fills the memory or takes too long: pictures have at most 100 megapixels,
videos are sampled to 64 evenly spaced frames, and sounds over two minutes to 60 two-second clips.
The modules of `anygen.io.formats` describe the details.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from anygen.core.media import Audio, Media, Video
from anygen.core.modality import TABLE
from anygen.io.formats.comments import container_comment, picture_comment
from anygen.io.formats.containers import open_container, picture_tracks, sound_tracks
from anygen.io.formats.errors import BROKEN, MediaError, printable
from anygen.io.formats.open_sizes import completed
from anygen.io.formats.pictures import read_picture
from anygen.io.formats.sounds import read_sound
from anygen.io.formats.videos import read_frames
from anygen.io.formats.writing import write_exact, write_media

__all__ = [
    "MediaError",
    "hash_media",
    "is_media",
    "printable",
    "read_bytes",
    "read_comment",
    "read_media",
    "suffix_of",
    "write_exact",
    "write_media",
]

HEAD = 64  # bytes that are compared with signatures
LONGEST_NAME = 500  # characters of a path in messages


@dataclass(frozen=True)
class Format:
    label: str  # for messages
    signature: bytes  # a regular expression for the first bytes
    library: str  # its name in Pillow or in FFmpeg
    is_picture: bool
    refusal: str = ""  # why it is not read: there is no reader, or it reads wrongly

    def matches(self, head: bytes) -> bool:
        return re.match(self.signature, head, re.DOTALL) is not None


FORMATS = (
    Format("PNG", rb"\x89PNG\r\n\x1a\n", "PNG", True),
    Format("JPEG", rb"\xff\xd8\xff", "JPEG", True),
    Format("GIF", rb"GIF8[79]a", "GIF", True),
    Format("WebP", rb"RIFF....WEBP", "WEBP", True),
    Format("BMP", rb"BM....\0\0\0\0", "BMP", True),
    Format("TIFF", rb"II[*+]\0|MM\0[*+]", "TIFF", True),
    Format("AVIF", rb"....ftyp(....)*?avi[fs]", "AVIF", True),
    Format(
        *("HEIC", rb"....ftyp(hei[cxms]|hev[cx]|mif1|msf1)", "", True),
        "HEIC pictures cannot be read; save it as JPEG or PNG",
    ),
    Format(
        *("RIFX", rb"RIFX....WAVE", "", False),
        "big-endian WAV files (RIFX) cannot be read; save it as plain WAV (RIFF)",
    ),
    Format("WAV", rb"(RIFF|RF64|BW64)....WAVE", "wav", False),
    Format("AIFF", rb"FORM....AIF[FC]", "aiff", False),
    Format("AU", rb"\.snd", "au", False),
    Format("FLAC", rb"fLaC", "flac", False),
    Format("Ogg", rb"OggS", "ogg", False),
    Format("MP3", rb"ID3|\xff[\xfb\xfa\xf3\xf2\xe3\xe2]", "mp3", False),
    Format("MP4", rb"....(ftyp|moov|mdat|wide|free|skip)", "mov", False),
    Format("WebM", rb"\x1aE\xdf\xa3", "matroska", False),
)


def read_media(path: str | Path) -> Media:
    """The picture, sound or video in a file. Raises MediaError."""
    with _opened(path) as (stream, name):
        return replace(_read(stream, name), path=Path(path))


def hash_media(path: str | Path) -> str:
    """The SHA-256 of the bytes of a file, in hexadecimal. Raises MediaError."""
    digest = hashlib.sha256()
    with _opened(path) as (stream, _):
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def is_media(data: bytes) -> bool:
    """Whether the bytes begin with the signature of a format that can be read."""
    return any(form.matches(data[:HEAD]) for form in FORMATS)


def suffix_of(data: bytes, name: str) -> str:
    """The suffix for a file of these bytes, such as `.png`. Raises MediaError."""
    return f".{_format(io.BytesIO(data), printable(name)).label.lower()}"


def read_bytes(data: bytes, name: str) -> Media:
    """The medium in the bytes of a file; `name` is for messages. Raises MediaError."""
    return _read(io.BytesIO(data), printable(name))


def read_comment(path: str | Path) -> str | None:
    """The comment in the metadata of a file, if any. Raises MediaError if it cannot be read.

    Either `write_media` wrote it, or another program did in the same field.
    """
    with _opened(path) as (stream, name):
        form = _format(stream, name)
        with _one_sentence(form, name):
            stream = completed(stream, form.library)
            if form.is_picture:
                return picture_comment(stream, name, form.library)
            return container_comment(stream, form.library)


@contextmanager
def _opened(path: str | Path) -> Iterator[tuple[BinaryIO, str]]:
    """Opens a regular file; also yields its name for messages. Raises MediaError."""
    name = printable(path)
    if len(name) > LONGEST_NAME:
        name = f"{name[:60]}..."
    try:
        _refuse_special(Path(path).stat(), name)
        with Path(path).open("rb") as stream:
            yield stream, name
    except FileNotFoundError:
        raise MediaError(f"{name}: no such file") from None
    except OSError as error:
        raise MediaError(f"{name}: cannot be read: {error.strerror}") from error
    except MediaError:
        raise
    except ValueError:  # raised by Python for a name with NUL
        raise MediaError(f"{name}: no such file, as no name holds NUL") from None


def _refuse_special(status: os.stat_result, name: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise MediaError(f"{name}: is a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f"{name}: is a pipe or a device, not a file")
    if not status.st_size:
        raise MediaError(f"{name}: is empty")


def _read(stream: BinaryIO, name: str) -> Media:
    form = _format(stream, name)
    read = read_picture if form.is_picture else _read_container
    with _one_sentence(form, name):
        return read(completed(stream, form.library), name, form.library)


def _format(stream: BinaryIO, name: str) -> Format:
    head = stream.read(HEAD)
    if not head:
        raise MediaError(f"{name}: is empty")
    for form in FORMATS:
        if form.matches(head):
            if form.refusal:
                raise MediaError(f"{name}: {form.refusal}")
            return form
    suffixes = ", ".join(s for row in TABLE.values() for s in row.read_suffixes)
    raise MediaError(f"{name}: holds no picture, sound or video; these can be read: {suffixes}")


@contextmanager
def _one_sentence(form: Format, name: str) -> Iterator[None]:
    """Turns the libraries' errors on broken data into MediaError, and hides their warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except MediaError:
            raise
        except BROKEN as error:
            raise MediaError(f"{name}: this {form.label} file is damaged or truncated") from error


def _read_container(stream: BinaryIO, name: str, form: str) -> Audio | Video:
    with open_container(stream, form) as container:
        moves, sounds = bool(picture_tracks(container)), bool(sound_tracks(container))
    audio = read_sound(stream, name, form) if sounds else None
    if moves:
        frames, fps = read_frames(stream, name, form)
        return Video(frames, fps, audio)
    if audio is None:
        raise MediaError(f"{name}: holds neither pictures nor sound that can be read")
    return audio

"""HTML pages without network: pictures, sounds and videos are data URIs.

The templates lie beside this file. They escape all text.
"""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image as PILImage

from anygen.core.media import Audio, Image
from anygen.core.modality import MediaModality
from anygen.core.version import __version__
from anygen.io.atomic import replacing
from anygen.io.media_files import read_media
from anygen.reports import plots

LARGEST = 192  # pixels of the longer side of a picture, so that pages of photographs stay small


@dataclass(frozen=True)
class Shown:
    """A medium on a page, as data URIs."""

    label: str
    modality: MediaModality
    uri: str
    width: int = 0  # of a picture, in pixels
    spectrogram: str = ""  # URI of a picture of a sound


@dataclass(frozen=True)
class Card:
    """One case on a page. Empty facts are not shown."""

    title: str
    right: bool | None  # None if it is neither right nor wrong
    badge: str  # the word for it
    media: list[Shown]
    facts: Mapping[str, str]


def write_page(path: Path, template: str, values: Mapping[str, Any]) -> Path:
    """Render one of the templates; returns `path`."""
    environment = Environment(
        loader=PackageLoader("anygen", "reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(version=__version__, **values)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return path


def show_files(folder: Path, files: Mapping[str, str]) -> list[Shown]:
    """The files of a folder, by label, as far as they still exist."""
    paths = {label: folder / name for label, name in files.items()}
    return [show(path, label) for label, path in paths.items() if path.is_file()]


def show(path: Path, label: str, largest: int = LARGEST) -> Shown:
    """A PNG, WAV or MP4 file for a page. Raises MediaError if it is damaged."""
    medium = read_media(path)
    if isinstance(medium, Image):
        return show_picture(path, label, largest)
    if isinstance(medium, Audio):
        spectrogram = data_uri(plots.spectrogram(medium), "image/png")
        uri = data_uri(path.read_bytes(), "audio/wav")
        return Shown(label, "audio", uri, spectrogram=spectrogram)
    return Shown(label, "video", data_uri(path.read_bytes(), "video/mp4"))


def show_picture(path: Path, label: str, largest: int) -> Shown:
    """A picture in its own size, but at most `largest` pixels wide and high."""
    with PILImage.open(path) as picture:
        picture.thumbnail((largest, largest))
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG")
        return Shown(label, "image", data_uri(buffer.getvalue(), "image/png"), picture.width)


def data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def svg_uri(svg: str) -> str:
    return data_uri(svg.encode(), "image/svg+xml")

"""The parts of a message in a batch file, also as OpenAI's clients write them, and their media.

| a part | is read as |
|---|---|
| `"hi"`, `{"type": "input_text", "text": "hi"}`, also output_text | text |
| `{"type": "image_url", "image_url": {"url": URL}}`, also audio_url and video_url | a medium |
| `{"type": "input_image", "image_url": URL}`, also input_video | a medium |
| `{"type": "input_audio", "input_audio": {"data": BASE64, "format": "wav"}}` | a medium |

A URL, and the `path` of a medium, is a path, a file: URL, a data: URL (RFC 2397), or a URL of a
host from which media may be downloaded. Rows may come from strangers: a path that leads out of the
folders that they may name is refused.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import url2pathname

from anygen.core.media import Media, modality_of
from anygen.core.modality import MODALITIES, MediaModality
from anygen.io.media_files import MediaError, printable, read_bytes, read_media
from anygen.io.remote import PORTS, fetch

# type -> what it is read as, and the key that holds its URL
URLS: dict[str, tuple[MediaModality, str]] = {
    "image_url": ("image", "image_url"),
    "input_image": ("image", "image_url"),
    "audio_url": ("audio", "audio_url"),
    "video_url": ("video", "video_url"),
    "input_video": ("video", "video_url"),
}
TYPES = (*MODALITIES, *URLS, "input_audio", "input_text", "output_text")


def plain_content(content: Any, field: str) -> Any:
    """The content of a message as a text or a list of parts of records.

    `field` is what the user calls it, for messages. Raises ValueError.
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise ValueError(f"{field}: should be a text or a list of parts, not {named(content)}")
    if content and all(isinstance(part, str) for part in content):
        return "\n".join(content)
    return [plain_part(part, f"{field}.{index}") for index, part in enumerate(content)]


def plain_part(part: Any, field: str) -> Any:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, dict):
        raise ValueError(f"{field}: should be a text or a part with a type, not {named(part)}")
    kind = part.get("type", "text")
    if kind not in TYPES:
        raise ValueError(f"{field}.type: {kind!r} is none of {', '.join(TYPES)}")
    if kind == "input_text":
        return {**part, "type": "text"}
    if kind == "output_text":  # what an answer has beside its text, such as annotations, is dropped
        return {"type": "text", "text": part.get("text")}
    if kind == "input_audio":
        data = inside(part, "input_audio", "data", field)
        return {"type": "audio", "path": f"data:;base64,{data}"}
    if kind in URLS:
        modality, key = URLS[kind]
        return {"type": modality, "path": inside(part, key, "url", field)}
    return part


def inside(part: dict[str, Any], key: str, inner: str, field: str) -> str:
    """The text at `key.inner`, or at `key` itself."""
    value, name = part.get(key), f"{field}.{key}"
    if isinstance(value, dict):
        value, name = value.get(inner), f"{name}.{inner}"
    if not isinstance(value, str):
        raise ValueError(f"{name}: should be a text, not {named(value)}")
    return value


def named(value: Any) -> str:
    """The kind of a JSON value."""
    kinds = {type(None): "null", bool: "true or false", dict: "an object", list: "a list"}
    return kinds.get(type(value), "a text" if isinstance(value, str) else "a number")


def read_location(
    location: str,
    modality: MediaModality,
    field: str,
    folders: Sequence[Path],
    hosts: Collection[str],
) -> Media:
    """The medium at a path in one of the folders, or in a URL. Raises ValueError.

    The path is relative to the first of them. `hosts` are those from which media may be downloaded
    (see `anygen.io.remote`).
    """
    scheme = scheme_of(location)
    if scheme == "data":
        return read_data_url(location, modality, field)
    if hosts and scheme in PORTS:
        return checked(read_bytes(fetch(location, hosts, field), field), modality, field, "it")
    if scheme != "file" and location[len(scheme) :].startswith("://"):
        raise MediaError(f"{field}: nothing is downloaded from {scheme}: URLs; give a local path")
    path_text = url2pathname(urlsplit(location).path) if scheme == "file" else location
    # Without `..`: a link before it would give it another sense where the file is opened.
    path = Path(os.path.normpath(folders[0] / path_text))
    if not any(is_inside(path, folder) for folder in folders):
        raise MediaError(
            f"{field}: {printable(path)} is not in the folder of the file of prompts; move it "
            "there, or allow its folder by --media-folder"
        )
    return checked(read_media(path), modality, field, printable(path))


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path lies in a folder. Links there may lead out: the folder's owner made them."""
    return path.absolute().is_relative_to(os.path.normpath(folder.absolute()))


def scheme_of(location: str) -> str:
    """`data` of `data:,hi`, in small letters; nothing of a path."""
    found = re.match(r"([a-z][a-z0-9+.-]+):", location.lower())
    return found[1] if found else ""


def read_data_url(url: str, modality: MediaModality, field: str) -> Media:
    """The medium in a data: URL. Raises MediaError."""
    name = f"{field}: the data URL"
    return checked(read_bytes(data_of(url, name), name), modality, field, name)


def checked(media: Media, modality: MediaModality, field: str, name: str) -> Media:
    """The medium, if it is of the modality. Raises MediaError; `name` is where it was found."""
    if modality_of(media) != modality:
        raise MediaError(f"{field}: the type is {modality}, and {name} holds {modality_of(media)}")
    return media


def data_of(url: str, name: str) -> bytes:
    """The bytes in a data: URL. Raises MediaError."""
    head, comma, data = url.partition(",")
    if not comma:
        raise MediaError(f"{name} has no comma before its data")
    raw = unquote_to_bytes(data)
    if not re.search(r";\s*base64\s*$", head, re.IGNORECASE):
        return raw
    try:
        return b64decode(b"".join(raw.split()), validate=True)
    except ValueError:
        raise MediaError(f"{name} is not base64") from None

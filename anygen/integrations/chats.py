"""Chats of transformers as messages, and media as the values that its pipelines exchange."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, get_args

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from anygen.batch.parts import data_of, scheme_of
from anygen.core.media import Audio, Image, Media, Message, Part, Role, Video, modality_of
from anygen.core.modality import MODALITIES
from anygen.io.media_files import read_bytes, read_media
from anygen.io.remote import PORTS, fetch

ROLES = get_args(Role)


def read_chat(
    turns: Sequence[Mapping[str, Any]], media_hosts: Collection[str] = ()
) -> list[Message]:
    """Turns of `role` and `content`, which is text or a list of typed blocks.

    Media are downloaded from `media_hosts` alone (see `anygen.io.remote`). Raises ValueError for an
    unknown role and an invalid block, and MediaError for a file that cannot be read.
    """
    messages = []
    for turn in turns:
        if turn["role"] not in ROLES:
            raise ValueError(f"role: {turn['role']!r} is none of {', '.join(ROLES)}")
        messages.append(Message(turn["role"], tuple(read_contents(turn["content"], media_hosts))))
    return messages


def read_contents(
    content: str | Sequence[Mapping[str, Any]], media_hosts: Collection[str]
) -> list[Part]:
    if isinstance(content, str):
        return [content]
    return [read_content(block, media_hosts) for block in content]


def read_content(block: Mapping[str, Any], media_hosts: Collection[str] = ()) -> Part:
    """A part from a block of text, or of a medium with the key image (its type), url, path, base64
    or image_url.

    Raises ValueError for an invalid block, also one whose medium is not of its type, and MediaError
    for a file that cannot be read.
    """
    kind = str(block.get("type")).removesuffix("_url")
    if kind == "text":
        return str(block["text"])
    if kind not in MODALITIES:
        raise ValueError(f"content: a block of type {kind!r}; there are {', '.join(MODALITIES)}")
    medium = read_source(source_of(kind, block), kind, block, media_hosts)
    if modality_of(medium) != kind:
        raise ValueError(f"content: a block of type {kind!r} holds {modality_of(medium)}")
    return medium


def source_of(kind: str, block: Mapping[str, Any]) -> Any:
    """Raises ValueError if a block names no medium."""
    if isinstance(block.get("base64"), str):
        return f"data:;base64,{block['base64']}"
    keys = (kind, "url", "path", f"{kind}_url")
    source = next((block[key] for key in keys if key in block), None)
    if isinstance(source, Mapping):
        source = source.get("url")
    if source is None:
        raise ValueError(f"content: a block of type {kind!r} without {kind}, url, path or base64")
    return source


def read_source(
    source: Any, kind: str, block: Mapping[str, Any], media_hosts: Collection[str]
) -> Media:
    """A medium from a medium of ours, a picture of Pillow, an array, a path or an address."""
    if isinstance(source, Image | Audio | Video):
        return source
    if isinstance(source, PIL.Image.Image):
        pixels = torch.from_numpy(np.array(source.convert("RGB")))
        return Image(pixels.permute(2, 0, 1).contiguous())
    if isinstance(source, np.ndarray | Tensor):
        return read_array(torch.as_tensor(source).cpu(), kind, block)
    address, name = str(source), f"this {kind}"
    scheme = scheme_of(address)
    if scheme == "data":
        return read_bytes(data_of(address, name), name)
    if scheme in PORTS:
        return read_bytes(fetch(address, media_hosts, name), name)
    return read_media(address)


# --- arrays


def read_array(array: Tensor, kind: str, block: Mapping[str, Any]) -> Media:
    """A picture (H, W, 3), a sound (N,), (C, N) or (N, C) with `sampling_rate`, or a video
    (T, H, W, 3) with `fps`; channels of pixels may also stand before H and W.

    Raises ValueError for another shape, for a missing rate, and for values that are not finite or
    out of range.
    """
    if array.is_floating_point() and not array.isfinite().all():
        raise ValueError(f"content: this {kind} has values that are not finite numbers")
    if kind == "image" and array.ndim == 3:
        return Image(read_pixels(array, kind))
    if kind == "video" and array.ndim == 4 and "fps" in block:
        return Video(read_pixels(array, kind), float(block["fps"]))
    if kind == "audio" and array.ndim in (1, 2) and "sampling_rate" in block:
        return Audio(read_samples(array), int(block["sampling_rate"]))
    raise ValueError(
        f"content: an array of shape {tuple(array.shape)} is not enough for {kind}: a picture has "
        "(H, W, 3), a sound (C, N) also needs sampling_rate, a video (T, H, W, 3) needs fps"
    )


def read_pixels(array: Tensor, kind: str) -> Tensor:
    """(..., H, W, 3) or (..., 3, H, W) -> (..., 3, H, W) uint8. Floats are from 0 to 1."""
    if array.shape[-1] == 3:
        array = array.movedim(-1, -3)
    if array.shape[-3] != 3:
        raise ValueError(f"content: {kind} of shape {tuple(array.shape)} has no three channels")
    largest = 1 if array.is_floating_point() else 255
    if array.numel() and not 0 <= array.min() <= array.max() <= largest:
        raise ValueError(
            f"content: this {kind} has values from {array.min().item():g} to "
            f"{array.max().item():g}; pixels are whole numbers up to 255, or floats from 0 to 1"
        )
    if array.is_floating_point():
        array = (array * 255).round()
    return array.to(torch.uint8).contiguous()


def read_samples(array: Tensor) -> Tensor:
    """(N,), (C, N) or (N, C) -> (C, N) float32. Integers are scaled by the range of their type.

    A sound has fewer channels than samples.
    """
    samples = torch.atleast_2d(array)
    if samples.shape[0] > samples.shape[1]:
        samples = samples.T
    if array.is_floating_point():
        return samples.float().contiguous()
    limits = torch.iinfo(array.dtype)
    center = (limits.max + limits.min + 1) / 2  # bytes without a sign are silent at 128
    return ((samples.double() - center) / ((limits.max - limits.min + 1) / 2)).float().contiguous()


# --- results


def plain_value(medium: Media) -> PIL.Image.Image | np.ndarray:
    """A picture of Pillow, samples (C, N) float32, or frames (T, H, W, 3) uint8."""
    if isinstance(medium, Image):
        return PIL.Image.fromarray(medium.pixels.permute(1, 2, 0).numpy())
    if isinstance(medium, Audio):
        return medium.samples.numpy()
    return medium.frames.permute(0, 2, 3, 1).numpy()


def rate_of(part: Part) -> dict[str, float]:
    """What an array lacks: `sampling_rate` of a sound, `fps` of a video."""
    if isinstance(part, Audio):
        return {"sampling_rate": part.rate}
    return {"fps": part.fps} if isinstance(part, Video) else {}


def to_block(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": modality_of(part), modality_of(part): plain_value(part), **rate_of(part)}

"""The SHA-256 of a medium's content: pixels or samples, not the bytes of its file."""

from __future__ import annotations

import hashlib
from weakref import WeakKeyDictionary

import numpy as np
from torch import Tensor

from anygen.core.media import Audio, Image, Media, Video

KNOWN: WeakKeyDictionary[Media, str] = WeakKeyDictionary()  # media are immutable


def content_hash(media: Media) -> str:
    """64 hexadecimal digits; computed once for each medium."""
    if media not in KNOWN:
        KNOWN[media] = compute(media)
    return KNOWN[media]


def compute(media: Media) -> str:
    digest = hashlib.sha256()
    match media:
        case Image():
            add_tensor(digest, media.pixels)
        case Audio():
            add_tensor(digest, media.samples, media.rate)
        case Video():
            add_tensor(digest, media.frames, media.fps)
            if media.audio:
                add_tensor(digest, media.audio.samples, media.audio.rate)
    return digest.hexdigest()


def add_tensor(digest: hashlib._Hash, tensor: Tensor, rate: float = 0.0) -> None:
    digest.update(f"{tuple(tensor.shape)} {rate:.6f}".encode())
    digest.update(np.ascontiguousarray(tensor.numpy()).data)

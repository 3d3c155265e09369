"""The SHA-256 of what a medium shows or plays, whatever the file that it is stored in."""

import hashlib
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from torch import Tensor

from anygen.core.media import Audio, Image, Media, Video

KNOWN: WeakKeyDictionary[Media, str] = WeakKeyDictionary()  # media never change


def content_hash(media: Media) -> str:
    if media not in KNOWN:
        KNOWN[media] = compute(media)
    return KNOWN[media]


def compute(media: Media) -> str:
    found = hashlib.sha256()
    match media:
        case Image():
            add_tensor(found, media.pixels)
        case Audio():
            add_tensor(found, media.samples, media.rate)
        case Video():
            add_tensor(found, media.frames, media.fps)
            if media.audio:
                add_tensor(found, media.audio.samples, media.audio.rate)
    return found.hexdigest()


def add_tensor(found: Any, tensor: Tensor, rate: float = 0.0) -> None:
    found.update(f"{tuple(tensor.shape)} {rate:.6f}".encode())
    found.update(np.ascontiguousarray(tensor.numpy()).data)

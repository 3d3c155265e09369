"""Checksums of tensors: weights that a disk or a copy has changed are noticed as they are read.

A safetensors file has none of its own. They stand in its metadata, one for each tensor, so that a
part of a model can be read and checked without the rest.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

CHECKSUMS = "crc32"  # key of the metadata
TABLE = TypeAdapter(dict[str, int])  # under it, as JSON: the checksums by the names of tensors
LENGTH_BYTES = 8  # a safetensors file begins with the length of its JSON header, little-endian


def with_checksums(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The metadata of a file of these tensors; without the format, transformers refuses it."""
    checksums = {name: checksum(tensor) for name, tensor in tensors.items()}
    return {"format": "pt", CHECKSUMS: json.dumps(checksums)}


def checksum(tensor: Tensor) -> int:
    """The CRC-32 of the bytes of a tensor on the CPU, in the order of its elements."""
    return zlib.crc32(memoryview(tensor.contiguous().reshape(-1).view(torch.uint8).numpy()))


def sort_metadata(path: Path) -> None:
    """Puts the keys of a file's metadata in the order of their names.

    safetensors writes them in an order of chance, which makes other bytes of the same tensors. The
    header keeps its length, so that no tensor moves. Raises ValueError for a header that would not.
    """
    with path.open("rb+") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        header = json.loads(stream.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode().ljust(length)
        if len(text) != length:
            raise ValueError(f"{path}: the header has {length} bytes, sorted {len(text)}")
        stream.seek(LENGTH_BYTES)
        stream.write(text)


class CheckedFile:
    """A safetensors file. A tensor without a checksum is read as it is."""

    def __init__(self, path: Path) -> None:
        """Raises ValueError for a damaged file."""
        self.path = path
        try:
            self.file = safe_open(path, "pt")
        except SafetensorError as error:
            raise ValueError(f"{path}: is damaged, or no safetensors file: {error}") from error
        text = (self.file.metadata() or {}).get(CHECKSUMS, "{}")
        try:
            self.checksums = TABLE.validate_json(text, strict=True)
        except ValidationError as error:
            raise ValueError(
                f"{path}: is damaged, its checksums cannot be read; put a copy in its place"
            ) from error

    def keys(self) -> Iterable[str]:
        return self.file.keys()

    def get_slice(self, name: str) -> Any:
        return self.file.get_slice(name)

    def get_tensor(self, name: str) -> Tensor:
        """Raises ValueError if the tensor is not the one that was saved."""
        tensor: Tensor = self.file.get_tensor(name)
        if self.checksums.get(name) not in (None, checksum(tensor)):
            raise ValueError(
                f"{self.path}: is damaged, the checksum of {name} is wrong; put a copy in its place"
            )
        return tensor

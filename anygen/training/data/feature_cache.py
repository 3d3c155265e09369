"""What networks that do not learn compute of the user's media and captions, kept between epochs.

    OUT/cache/features-3f2a91c07d5e8b44/00000.safetensors

The folder is named by the weights that computed the tensors, and each tensor by the hash of the
content of which it was computed: the same picture under another name is not encoded again.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import safe_open
from torch import Tensor, nn

from anygen.checkpoints.checkpoint import TensorFile, save_weights

FOLDER = "cache"
FILES = "[0-9]*.safetensors"
CHUNK = 64  # media or captions that are encoded at a time
FLUSH_AT = 2**25  # bytes in memory

Item = TypeVar("Item")


class FeatureCache:
    """Tensors by the hash of their content. Several threads may ask; one computes and writes."""

    def __init__(self, folder: Path, name: str, networks: nn.Module, process: int = 0) -> None:
        """Each process has files of its own, so that none waits for another."""
        suffix = f"-{process}" if process else ""
        self.folder = folder / FOLDER / f"{name}-{weights_hash(networks)[:16]}{suffix}"
        self.files: dict[str, TensorFile] = {}  # by key
        self.waiting: dict[str, Tensor] = {}  # to be written
        for path in sorted(self.folder.glob(FILES)):
            self.open(path)

    def open(self, path: Path) -> None:
        file: TensorFile = safe_open(path, framework="pt")  # type: ignore[no-untyped-call]
        self.files |= dict.fromkeys(file.keys(), file)

    def __contains__(self, key: object) -> bool:
        return key in self.waiting or key in self.files

    def get(self, key: str) -> Tensor:
        waiting = self.waiting.get(key)
        return self.files[key].get_tensor(key) if waiting is None else waiting

    @torch.no_grad()
    def fill(
        self,
        keys: Sequence[str],
        items: Sequence[Item],
        encode: Callable[[list[Item]], Iterable[Tensor]],
    ) -> None:
        """Computes what is not known of the items, one row each, all at once."""
        missing = {key: item for key, item in zip(keys, items) if key not in self}
        if missing:
            rows = encode(list(missing.values()))
            self.waiting |= {key: row.cpu().clone() for key, row in zip(missing, rows)}
        if sum(row.nbytes for row in self.waiting.values()) >= FLUSH_AT:
            self.flush()

    def rows(
        self, kind: str, texts: Sequence[str], encode: Callable[[list[str]], Tensor]
    ) -> Tensor:
        """One row for each text in half precision; what `encode` computes depends on `kind`."""
        keys = [f"{kind}/{hashlib.sha256(text.encode()).hexdigest()}" for text in texts]
        for start in range(0, len(keys), CHUNK):
            part = slice(start, start + CHUNK)
            self.fill(keys[part], texts[part], lambda missing: encode(missing).half())
        self.flush()
        return torch.stack([self.get(key) for key in keys])

    def flush(self) -> None:
        """Writes what is only in memory. A run that is resumed finds what it had when it saved."""
        if not self.waiting:
            return
        path = self.folder / f"{len(list(self.folder.glob(FILES))):05}.safetensors"
        save_weights(self.waiting, path)
        self.open(path)
        self.waiting = {}


def weights_hash(networks: nn.Module) -> str:
    """The SHA-256 of all tensors of a module, and of their names."""
    digest = hashlib.sha256()
    for name, tensor in networks.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()

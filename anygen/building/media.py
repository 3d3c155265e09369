"""Media for captions that a writer made up: the nearest of a folder, or what our decoders make."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anygen.anygen import AnyGen
from anygen.core.media import Media
from anygen.core.modality import TABLE, MediaModality
from anygen.generation.request import derive_seed
from anygen.io.atomic import replacing
from anygen.io.media_files import hash_media, printable, read_media, write_media
from decoders.base import RenderRequest, never, no_progress
from mosit_data.build.grounding import Floats, MakingGrounder, Pool, SearchGrounder
from mosit_data.build.jobs import digest_of
from mosit_data.formats.media_folder import MediaFolder, has_media_suffix, modality_of_name
from mosit_data.formats.rows import Refusal

BATCH = 16  # media or captions that are embedded together
VECTORS = "vectors.npz"  # in the folder of the build: what has been embedded


def open_search(
    model: AnyGen, folder: Path, out: Path, threshold: float
) -> tuple[SearchGrounder, list[Refusal]]:
    """The media of a folder in the joint space of the model, and files that cannot be read.

    Vectors are kept in `out` by the content of the files. Raises ValueError without a joint space.
    """
    encoder = model.model.encoder
    if "text" not in encoder.embeds:
        raise ValueError("the model's encoder has no joint space of texts and media to search in")
    known = Vectors(out / VECTORS, model.model_id.weights)
    names = MediaFolder(folder, out, out / "media")
    found: dict[MediaModality, list[tuple[str, Floats]]] = defaultdict(list)
    refused = []
    paths = [p for p in sorted(folder.rglob("*")) if has_media_suffix(p.name) and p.is_file()]
    for path in paths:
        modality = modality_of_name(path.name)
        if modality not in encoder.embeds:
            continue
        name = names.relative(path)
        try:
            found[modality].append((name, known.of(path, encoder)))
        except ValueError as error:
            refused.append(Refusal(printable(path), name, str(error)))
    known.store()
    pools = {
        modality: Pool([name for name, _ in rows], np.stack([vector for _, vector in rows]))
        for modality, rows in found.items()
    }
    if not pools:
        raise ValueError(f"{printable(folder)}: holds no media that can be searched")

    def embed_all(captions: Sequence[str]) -> Floats:
        batches = [captions[i : i + BATCH] for i in range(0, len(captions), BATCH)]
        return np.concatenate([embed(encoder, batch) for batch in batches])

    names_found = sorted(name for rows in found.values() for name, _ in rows)
    settings = {
        "weights": model.model_id.weights,
        "threshold": threshold,
        "media": digest_of(names_found),
    }
    return SearchGrounder(pools, embed_all, threshold, settings), refused


def embed(encoder: Any, items: Sequence[Media | str]) -> Floats:
    with torch.inference_mode():
        vectors: Floats = encoder.embed(items).float().cpu().numpy()
    return vectors


class Vectors:
    """Vectors of files by the SHA-256 of their content, in a file that belongs to a model."""

    def __init__(self, path: Path, weights: str) -> None:
        self.path, self.weights = path, weights
        self._known = dict(self._stored())
        self._used: dict[str, Floats] = {}

    def _stored(self) -> Iterator[tuple[str, Floats]]:
        if self.path.is_file():
            with np.load(self.path, allow_pickle=False) as columns:
                if str(columns["weights"]) == self.weights:
                    yield from zip(map(str, columns["sha256"]), columns["vectors"])

    def of(self, path: Path, encoder: Any) -> Floats:
        """Raises ValueError (a MediaError) for a file that cannot be read."""
        digest = hash_media(path)
        if digest not in self._known:
            self._known[digest] = embed(encoder, [read_media(path)])[0]
        self._used[digest] = self._known[digest]
        return self._used[digest]

    def store(self) -> None:
        if not self._used:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as temporary, temporary.open("wb") as stream:
            np.savez(
                stream,
                weights=np.array(self.weights),
                sha256=np.array(list(self._used)),
                vectors=np.stack(list(self._used.values())),
            )


def open_making(model: AnyGen, out: Path) -> MakingGrounder:
    """Media that the model's decoders make, each once, as files in `out / "media"`."""
    network, weights = model.model, model.model_id.weights

    def make(modality: MediaModality, caption: str) -> str:
        digest = hashlib.sha256(f"{weights}/{modality}/{caption}".encode()).hexdigest()
        path = out / "media" / f"{digest[:32]}{TABLE[modality].suffix}"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with torch.inference_mode():
                condition = network.encode_prompt(modality, caption)
                request = RenderRequest(condition, derive_seed(caption))
                [medium] = network.decoders[modality].sample([request], no_progress, never)
            write_media(medium, path)
        return path.relative_to(out).as_posix()

    return MakingGrounder(make, tuple(network.decoders), {"weights": weights})

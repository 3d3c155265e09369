"""Ground: which medium a caption stands for.

P media in a pool, E width of a joint space.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anygen.core.modality import MEDIA, MediaModality
from anygen.core.records import MediaContent
from mosit_data.build.dialogues import RawDialogue, RefusalError
from mosit_data.build.jobs import Job

LARGE_POOL = 100_000  # media: above it faiss, if it is installed, finds the nearest
NEAR_CAPTIONS = 0.9  # cosine: captions that are this much alike never share a medium
CANDIDATES = 64  # nearest media that are tried for a caption

Floats = NDArray[np.float32]


class Grounder(Protocol):
    """Finds or makes the media of a dialogue."""

    name: str
    own_captions: bool  # captions need not be those of the job

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides which media are found or made, beside the captions."""

    @property
    def modalities(self) -> tuple[MediaModality, ...]:
        """Of the media that it can find or make."""

    def prepare(self, captions: Sequence[str]) -> None:
        """Called once with all captions that are going to be looked for."""

    def find(self, job: Job, modality: MediaModality, caption: str) -> MediaContent:
        """Raises RefusalError if there is no medium for the caption."""


class JobGrounder:
    """Captions stand for the media of the job, word by word."""

    name = "job"
    own_captions = False
    settings: Mapping[str, Any] = {}
    modalities = MEDIA

    def prepare(self, captions: Sequence[str]) -> None:
        pass

    def find(self, job: Job, modality: MediaModality, caption: str) -> MediaContent:
        for medium in job.media:
            if medium.type == modality and medium.caption == caption:
                return MediaContent(type=modality, path=medium.path, scene=medium.scene)
        raise RefusalError("ground", f"{caption!r} is no {modality} of the job")


@dataclass
class Pool:
    """Media of one modality in a joint space."""

    paths: Sequence[str]  # relative to the folder of the records
    vectors_PE: Floats  # of unit length
    _index: Any = field(default=None, init=False)

    def nearest(self, vector_E: Floats) -> list[tuple[int, float]]:
        """The rows of the nearest media with their cosines, nearest first; ties by their order."""
        count = min(CANDIDATES, len(self.paths))
        if len(self.paths) > LARGE_POOL and (index := self.faiss_index()) is not None:
            cosines, rows = index.search(vector_E[None], count)
            return [(int(row), float(cosine)) for row, cosine in zip(rows[0], cosines[0])]
        cosines_P = self.vectors_PE @ vector_E
        rows_P = np.argsort(-cosines_P, kind="stable")[:count]
        return [(int(row), float(cosines_P[row])) for row in rows_P]

    def faiss_index(self) -> Any:
        """An exact index, or None if faiss is not installed."""
        try:
            import faiss
        except ImportError:
            return None
        if self._index is None:
            self._index = faiss.IndexFlatIP(self.vectors_PE.shape[1])
            self._index.add(self.vectors_PE)
        return self._index


@dataclass
class SearchGrounder:
    """The nearest medium of a pool that no nearly equal caption has."""

    pools: dict[MediaModality, Pool]
    embed: Callable[[Sequence[str]], Floats]  # captions -> (N, E), unit length
    threshold: float  # least cosine of a caption and its medium
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = "search"
    own_captions: bool = True
    _vectors: dict[str, Floats] = field(default_factory=dict, repr=False)
    _used: dict[str, list[Floats]] = field(default_factory=lambda: defaultdict(list), repr=False)

    @property
    def modalities(self) -> tuple[MediaModality, ...]:
        return tuple(modality for modality in MEDIA if modality in self.pools)

    def prepare(self, captions: Sequence[str]) -> None:
        new = [text for text in dict.fromkeys(captions) if text not in self._vectors]
        if new:
            self._vectors.update(zip(new, self.embed(new)))

    def find(self, job: Job, modality: MediaModality, caption: str) -> MediaContent:
        if modality not in self.pools:
            raise RefusalError("ground", f"the folder of media has no {modality}")
        pool = self.pools[modality]
        self.prepare([caption])
        vector = self._vectors[caption]
        best = -1.0
        for row, cosine in pool.nearest(vector):
            best = max(best, cosine)
            if cosine < self.threshold:
                break
            path = pool.paths[row]
            if all(float(other @ vector) < NEAR_CAPTIONS for other in self._used[path]):
                self._used[path].append(vector)
                return MediaContent(type=modality, path=path)
        if best < self.threshold:
            reason = f"the {modality} nearest to {caption!r} has a cosine of {best:.2f} with it"
            raise RefusalError("similarity", f"{reason}, less than {self.threshold}")
        raise RefusalError("reuse", f"every {modality} near {caption!r} has a caption like it")


@dataclass
class MakingGrounder:
    """Media are made for their captions, by decoders."""

    make: Callable[[MediaModality, str], str]  # -> the path
    modalities: tuple[MediaModality, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = "generate"
    own_captions: bool = True

    def prepare(self, captions: Sequence[str]) -> None:
        pass

    def find(self, job: Job, modality: MediaModality, caption: str) -> MediaContent:
        if modality not in self.modalities:
            raise RefusalError("ground", f"the model has no decoder of {modality}")
        return MediaContent(type=modality, path=self.make(modality, caption))


def captions_in(dialogue: RawDialogue) -> list[str]:
    """The captions of all media, in order."""
    parts = (part.medium for turn in dialogue.turns for part in turn.parts)
    return [medium[1] for medium in parts if medium]

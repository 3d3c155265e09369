"""The media in the user's records, one by one: what the stages of encoders and decoders learn from.

The medium counts, not its dialogue: stages that train on pixels or samples alone take every medium
with a file or a scene, those that learn from pairs every one that has a caption, too.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate

import torch
from torch import Tensor

from anygen.config.run import CAPTIONED_STAGES, Run
from anygen.core.media import Media, modality_of
from anygen.core.modality import MediaModality
from anygen.core.records import MediaContent, Record, media_of_record
from anygen.core.schema import explain_in_line
from anygen.training.data.feature_cache import CHUNK, FeatureCache
from anygen.training.data.files import RowError
from anygen.training.data.mixture import Mixture, StepRows, open_sources
from anygen.training.data.order import Visit, apportioned, permuted
from anygen.training.data.refused import RefusedRows
from anygen.training.data.sources import FileSource, Place
from anygen.training.dialogues import PLACEHOLDERS
from mosit_data.world.render import render
from mosit_data.world.scene import parse_scene

ROWS_PER_SAMPLE = 8  # rows that are read in search of a sample, at most


@dataclass(frozen=True, eq=False)
class OwnMedium:
    """A medium of the user's, and its caption if it has one."""

    media: Media
    caption: str
    key: str = ""  # of what is kept of it, in a FeatureCache


@dataclass(frozen=True, eq=False)
class MediaSource:
    """The media of one modality in a source of records; each of them counts as a row."""

    records: FileSource
    rows: array[int] = field(default_factory=lambda: array("q"))  # of the records
    numbers: array[int] = field(default_factory=lambda: array("q"))  # among the media of a record

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int, kept: Container[str] | None = None) -> OwnMedium:
        """Media of which enough is `kept` are not read, if there is anything. Raises RowError."""
        row, number = self.rows[index], self.numbers[index]
        place, record = self.records.place(row), self.records.read(row)
        content = [content for _, content in media_of_record(record)][number]
        try:
            key = "" if kept is None else f"{content.type}/{content_hash(content, place)}"
            if kept is not None and key in kept:
                media = PLACEHOLDERS[content.type]
            else:
                media = read_content(content, place)
            return OwnMedium(media, content.caption or "", key)
        except (ValueError, OSError) as error:
            reason = f"medium {number + 1}: {explain_in_line(error)}"
            raise RowError(place.file, place.line, record.id, reason) from None


def content_hash(content: MediaContent, place: Place) -> str:
    """The SHA-256 of a file, or of a scene. Raises MediaError."""
    if content.scene is not None:
        return hashlib.sha256(json.dumps(content.scene, sort_keys=True).encode()).hexdigest()
    return place.media.sha256(content.path or "")


def read_content(content: MediaContent, place: Place) -> Media:
    """Raises ValueError, also if the medium is of another modality than the record says."""
    if content.scene is not None:
        medium = render(parse_scene(content.scene))
    else:
        medium = place.media.read(content.path or "")
    if modality_of(medium) != content.type:
        raise ValueError(f"has the type {content.type}, and is {modality_of(medium)}")
    return medium


class MediaMixture:
    """The media of every step of a component stage: its modalities learn by turns."""

    def __init__(self, run: Run, writes: bool = True, kept: Container[str] | None = None) -> None:
        """One pass over the records finds their media; no file of a medium is opened.

        Raises ValueError, also if a modality that is to learn has no medium.
        """
        self.run, self.refused = run, RefusedRows(run.out, writes)
        found = {i: find_media(s, run, self.refused) for i, s in open_sources(run).items()}
        self.mixtures: dict[MediaModality, Mixture[OwnMedium]] = {}
        for modality in dict.fromkeys(run.turns):
            sources = {index: media[modality] for index, media in found.items()}
            size, key = run.rows.get(modality, run.batch_size), f"{run.seed}/{modality}"
            read = partial(MediaSource.read, kept=kept)
            mixture = Mixture(run, sources, read, self.refused, key, size)
            if not any(mixture.shares):
                captions = " with captions" if run.stage in CAPTIONED_STAGES else ""
                raise ValueError(
                    f"data: stage {run.stage} learns from {modality} files{captions}, and the "
                    "records hold none"
                )
            self.mixtures[modality] = mixture

    def rows(self, step: int, part: int, parts: int) -> StepRows[OwnMedium]:
        """What one of the processes of a run learns from in a step. Raises ValueError."""
        modality, turn = self.run.turn(step)
        number = turn * parts + part
        return self.mixtures[modality].batch(number, number + parts)

    def visits(self, step: int, part: int, parts: int) -> list[Visit]:
        """The same, unread."""
        modality, turn = self.run.turn(step)
        return self.mixtures[modality].visits(turn * parts + part)


class OwnPool:
    """The media of files in the pool of a stage that learns from pairs, read once.

    The sources divide the pool by their shares, and none has a medium twice: small ones leave some
    of it empty.
    """

    def __init__(self, run: Run, cache: FeatureCache) -> None:
        self.run, self.cache, self.media = run, cache, MediaMixture(run, kept=cache)
        self.sizes: dict[MediaModality, dict[int, int]] = {}  # by the number of the source
        self.scenes: dict[MediaModality, int] = {}  # how many the small world adds
        for modality, mixture in self.media.mixtures.items():
            total = max(run.pool[modality], len(mixture.shares))
            counts = list(enumerate(apportioned(mixture.shares, total)))
            world = [count for index, count in counts if index not in mixture.sources]
            self.scenes[modality] = sum(world)
            self.sizes[modality] = {
                index: min(count, len(mixture.sources[index]))
                for index, count in counts
                if index in mixture.sources
            }

    def fill(
        self, modality: MediaModality, encode: Callable[[list[Media]], Tensor]
    ) -> tuple[Tensor, list[str]]:
        """Encoded media (N, ...) in half precision, and their captions. Raises ValueError."""
        mixture, sizes = self.media.mixtures[modality], self.sizes[modality]
        visits = [Visit(source, n) for source, size in sizes.items() for n in range(size)]
        rows, captions = [], []
        for start in range(0, len(visits), CHUNK):
            media = list(mixture.workers.map(mixture.read, visits[start : start + CHUNK]))
            keys = [medium.key for medium in media]
            self.cache.fill(keys, [m.media for m in media], lambda items: encode(items).half())
            rows += [self.cache.get(key) for key in keys]
            captions += [medium.caption for medium in media]
        self.cache.flush()
        return torch.stack(rows), captions

    def choose(self, step: int, part: int, parts: int) -> tuple[list[int], int]:
        """Which of the media that `fill` returns a step learns from, and from how many scenes."""
        modality, _ = self.run.turn(step)
        mixture, sizes = self.media.mixtures[modality], self.sizes[modality]
        ends = dict(zip(sizes, accumulate(sizes.values())))
        chosen, scenes = [], 0
        for visit in self.media.visits(step, part, parts):
            size = sizes.get(visit.source)
            if size is None:
                scenes += 1
            else:
                chosen.append(ends[visit.source] - size + mixture.order(visit, size, "/pool"))
        return chosen, scenes


def some_media(run: Run, modality: MediaModality, count: int) -> list[OwnMedium]:
    """A few media of the run's files, the same in every call; what cannot be read is left out."""
    found: list[OwnMedium] = []
    for index, source in open_sources(run).items():
        for position in range(min(len(source), ROWS_PER_SAMPLE * count)):
            row = permuted(position, len(source), f"{run.seed}/{index}/samples")
            try:
                record = source.read(row)
                for number, content in usable_media(record, run.stage in CAPTIONED_STAGES):
                    if content.type == modality and len(found) < count:
                        only = MediaSource(source, array("q", [row]), array("q", [number]))
                        found.append(only.read(0))
            except RowError:
                continue
    return found


def find_media(
    source: FileSource, run: Run, refused: RefusedRows
) -> dict[MediaModality, MediaSource]:
    """Where the media are that a run can learn from. Raises ValueError for a row that stops it."""
    found = {modality: MediaSource(source) for modality in run.turns}
    for row, record in enumerate(source.read_all()):
        if isinstance(record, RowError):
            refused.refuse(record, run.bad_rows)
            continue
        for number, content in usable_media(record, run.stage in CAPTIONED_STAGES):
            if content.type in found:
                found[content.type].rows.append(row)
                found[content.type].numbers.append(number)
    return found


def usable_media(record: Record, captioned: bool) -> Iterator[tuple[int, MediaContent]]:
    """The media of a record that have pixels or samples of their own, numbered from 0."""
    for number, (_, content) in enumerate(media_of_record(record)):
        has_content = content.path is not None or content.scene is not None
        if has_content and ((content.caption or "").strip() or not captioned):
            yield number, content

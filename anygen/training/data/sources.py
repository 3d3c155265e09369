"""Sources of records: what a run needs to know of one is how many rows it has, and each row."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

from anygen.config.data import DataSource
from anygen.config.run import Run
from anygen.core.media import Media
from anygen.core.records import Record
from anygen.io.media_files import hash_media, read_media
from anygen.training.data.files import RecordFile, find_files
from anygen.training.data.order import permuted


class MediaFiles(Protocol):
    """Where the media of a record are, by the paths in it."""

    def read(self, path: str) -> Media:
        """Raises MediaError."""

    def sha256(self, path: str) -> str:
        """Of the bytes of a file. Raises MediaError."""


@dataclass(frozen=True)
class MediaFolder:
    """Media as files of a folder, and of those in it."""

    folder: Path

    def read(self, path: str) -> Media:
        return read_media(self.folder / path)

    def sha256(self, path: str) -> str:
        return hash_media(self.folder / path)


@dataclass(frozen=True)
class Place:
    """Where a record is, and where its media are."""

    file: Path
    line: int  # from 1
    media: MediaFiles


class Source(Protocol):
    def __len__(self) -> int: ...

    def place(self, row: int) -> Place: ...

    def read(self, row: int) -> Record:
        """Raises RowError if the row is not a valid record."""


@dataclass(frozen=True)
class FileSource:
    """The rows of one file after the other, or a random `limit` of them."""

    files: Sequence[RecordFile]
    media: Path | None = None
    limit: int | None = None
    seed: int = 0

    @cached_property
    def ends(self) -> list[int]:
        """The number of rows up to the end of each file."""
        return list(accumulate(map(len, self.files)))

    def __len__(self) -> int:
        return min(self.ends[-1], self.limit or self.ends[-1])

    def find(self, row: int) -> tuple[RecordFile, int]:
        """The file of a row, and the number of the row within it, from 0."""
        if self.limit is not None:
            row = permuted(row, self.ends[-1], f"{self.seed}/limit")
        index = bisect_right(self.ends, row)
        return self.files[index], row - (self.ends[index - 1] if index else 0)

    def place(self, row: int) -> Place:
        file, number = self.find(row)
        return Place(file.path, file.line(number), MediaFolder(self.media or file.path.parent))

    def read(self, row: int) -> Record:
        file, number = self.find(row)
        return file.read(number)


def open_source(settings: DataSource, seed: int) -> FileSource:
    """Raises ValueError if there are no files, or no rows in them."""
    assert settings.path is not None
    media = Path(settings.media) if settings.media else None
    source = FileSource(find_files(settings.path), media, settings.limit, seed)
    if not len(source):
        raise ValueError(f"{settings.path}: holds no records")
    return source


def fingerprints(run: Run) -> list[dict[str, Any]]:
    """What the rows of a run depend on: its sources, with the SHA-256 of files for their paths."""
    found = []
    for settings in run.data:
        known = settings.model_dump(mode="json", exclude={"path", "media"}, exclude_none=True)
        if settings.path is not None:
            known["files"] = [file.index.sha256 for file in find_files(settings.path)]
        found.append(known)
    return found

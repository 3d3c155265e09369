"""Sources of records: what a run needs to know of one is how many rows it has, and each row."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, Protocol

from anygen.config.data import DataSource
from anygen.config.run import Run
from anygen.core.records import Record
from anygen.io.media_files import printable
from anygen.training.data.files import MediaFolder, RecordFile, RowError
from anygen.training.data.order import permuted
from anygen.training.data.shards import ShardFile, ShardMedia

MediaFiles = MediaFolder | ShardMedia  # where the media of records are
DataFile = RecordFile | ShardFile
MAGIC = re.compile(r"[*?[]")  # of a pattern


@dataclass(frozen=True)
class Place:
    """Where a record is, and where its media are."""

    file: Path
    line: int | str  # from 1, or the name of a sample in an archive
    media: MediaFiles


class Source(Protocol):
    def __len__(self) -> int: ...

    def place(self, row: int) -> Place: ...

    def read(self, row: int) -> Record:
        """Raises RowError if the row is not a valid record."""


@dataclass(frozen=True)
class FileSource:
    """The rows of one file after the other, or a random `limit` of them."""

    files: Sequence[DataFile]
    media: Path | None = None
    limit: int | None = None
    seed: int = 0

    @cached_property
    def ends(self) -> list[int]:
        """The number of rows up to the end of each file."""
        return list(accumulate(map(len, self.files)))

    def __len__(self) -> int:
        return min(self.ends[-1], self.limit or self.ends[-1])

    def find(self, row: int) -> tuple[DataFile, int]:
        """The file of a row, and the number of the row within it, from 0."""
        if self.limit is not None:
            row = permuted(row, self.ends[-1], f"{self.seed}/limit")
        index = bisect_right(self.ends, row)
        return self.files[index], row - (self.ends[index - 1] if index else 0)

    def place(self, row: int) -> Place:
        file, number = self.find(row)
        return Place(file.path, file.line(number), file.media(number, self.media))

    def read(self, row: int) -> Record:
        file, number = self.find(row)
        return file.read(number)

    def read_all(self) -> Iterator[Record | RowError]:
        """All rows in order, each file in one pass; an error for each that is no record."""
        if self.limit is None:
            yield from chain.from_iterable(file.read_all() for file in self.files)
            return
        for row in range(len(self)):
            try:
                yield self.read(row)
            except RowError as error:
                yield error


def open_source(settings: DataSource, seed: int) -> FileSource:
    """Raises ValueError if there are no files, or no rows in them."""
    assert settings.path is not None
    media = Path(settings.media) if settings.media else None
    source = FileSource(find_rows(settings.path), media, settings.limit, seed)
    if media and any(isinstance(file, ShardFile) for file in source.files):
        raise ValueError(f"{settings.path}: a tar archive holds its media; remove 'media'")
    return source


def fingerprints(run: Run) -> list[dict[str, Any]]:
    """What the rows of a run depend on: its sources, with the SHA-256 of files for their paths.

    Raises ValueError if a path has no files, or no rows in them.
    """
    found = []
    for settings in run.data:
        known = settings.model_dump(mode="json", exclude={"path", "media"}, exclude_none=True)
        if settings.path is not None:
            known["files"] = [file.index.sha256 for file in find_rows(settings.path)]
        found.append(known)
    return found


def find_all(patterns: Iterable[str]) -> list[DataFile]:
    """The files of several paths or patterns, in their order. Raises ValueError."""
    return [file for pattern in patterns for file in find_files(pattern)]


def require_rows(file: DataFile) -> None:
    """Raises ValueError if there are none in the file, or if it is damaged as a whole."""
    if not len(file):
        raise ValueError(f"{printable(file.path)}: holds no records")


def find_rows(pattern: str) -> list[DataFile]:
    """The files of a path or a pattern. Raises ValueError if there are no rows in them."""
    files = find_files(pattern)
    if not any(map(len, files)):
        raise ValueError(f"{printable(pattern)}: holds no records")
    return files


def find_files(pattern: str) -> list[DataFile]:
    """The files of a path, or of a pattern such as clips/**/*.tar, sorted by name.

    Raises ValueError if there are none, or if one is neither JSONL nor a tar archive.
    """
    whole = Path(pattern).absolute()
    paths = [Path(pattern)]
    if not whole.is_file() and MAGIC.search(pattern):
        paths = sorted(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))))
    if not paths:
        raise ValueError(f"{printable(pattern)}: no file has such a name")
    kinds: dict[str, type[DataFile]] = {".jsonl": RecordFile, ".tar": ShardFile}
    files: list[DataFile] = []
    for path in paths:
        if path.is_dir():
            raise ValueError(
                f"{printable(path)}: is a folder; name its files, as in {printable(path)}/*.jsonl"
            )
        if not path.is_file():
            raise ValueError(f"{printable(path)}: no such file")
        kind = kinds.get(path.suffix.lower())
        if kind is None:
            raise ValueError(
                f"{printable(path)}: records are a .jsonl file, one JSON object per line, or a "
                f".tar archive of samples; anygen data convert makes one from other formats"
            )
        files.append(kind(path))
    return files

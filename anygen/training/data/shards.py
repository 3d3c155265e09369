"""Tar archives of samples as WebDataset lays them out, from which rows are read where they lie.

    k1.jpg  k1.txt                a medium with a caption
    k2.0.png  k2.1.png  k2.json   a dialogue: `conversations` or `messages` with markers

The files of a sample follow each other. One pass over the headers finds where they begin; nothing
is unpacked, and rows may be read in any order.
"""

import hashlib
import tarfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anygen.core.media import Media
from anygen.core.records import Record
from anygen.io.media_files import MediaError, printable, read_bytes
from anygen.training.data.files import RowError, stored_index
from mosit_data.formats.media_folder import MediaFolder, has_media_suffix
from mosit_data.formats.rows import Refusal
from mosit_data.formats.schema import convert_row
from mosit_data.formats.tables.columns import parse
from mosit_data.formats.tables.webdataset import parts_of, sample


@dataclass(frozen=True, eq=False)
class MemberIndex:
    """Where the files of an archive are; those of the sample `i` are `first[i]` to `first[i + 1]`.

    The SHA-256 is that of the names, sizes and times of the files.
    """

    names: NDArray[np.uint8]  # UTF-8, one after the other
    name_ends: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    first: NDArray[np.int64]
    sha256: str

    def name(self, number: int) -> str:
        start = int(self.name_ends[number - 1]) if number else 0
        return self.names[start : int(self.name_ends[number])].tobytes().decode("utf-8")

    def members(self, row: int) -> range:
        return range(int(self.first[row]), int(self.first[row + 1]))


@dataclass(frozen=True)
class ShardFile:
    """One tar archive, without compression."""

    path: Path

    @cached_property
    def index(self) -> MemberIndex:
        status = self.path.stat()
        return find_members(self.path, status.st_size, status.st_mtime_ns)

    def __len__(self) -> int:
        return len(self.index.first) - 1

    def line(self, row: int) -> str:
        """The name of a sample."""
        return parts_of(self.index.name(self.index.members(row)[0]))[0]

    def read(self, row: int) -> Record:
        """Raises RowError if nothing can be learned from the sample."""
        key, contents = self.line(row), []
        for number in self.index.members(row):
            name = self.index.name(number)
            is_medium = has_media_suffix(name)
            contents.append((parts_of(name)[1], {"path": name} if is_medium else self.data(number)))
        raw = sample(key, key, contents)
        outcome = convert_row(raw, parse, MemberFolder(Path(), Path(), Path()))
        if isinstance(outcome, Refusal):
            raise RowError(self.path, key, outcome.id, outcome.reason)
        return outcome.record.model_copy(update={"source": self.path.name})

    def read_all(self) -> Iterator[Record | RowError]:
        """All samples in order; an error for each that nothing can be learned from."""
        for row in range(len(self)):
            try:
                yield self.read(row)
            except RowError as error:
                yield error

    def media(self, row: int, folder: Path | None) -> "ShardMedia":
        """The media of a sample; there is no other `folder`."""
        return ShardMedia(self, row)

    def data(self, number: int) -> bytes:
        with self.path.open("rb") as stream:
            stream.seek(int(self.index.starts[number]))
            return stream.read(int(self.index.sizes[number]))


@dataclass(frozen=True)
class ShardMedia:
    """The media of one sample, by the names of their files."""

    file: ShardFile
    row: int

    def data(self, name: str) -> bytes:
        """Raises MediaError."""
        for number in self.file.index.members(self.row):
            if self.file.index.name(number) == name:
                return self.file.data(number)
        raise MediaError(f"{printable(self.file.path)}: the sample has no file {printable(name)}")

    def read(self, name: str) -> Media:
        """Raises MediaError."""
        return read_bytes(self.data(name), f"{self.file.path}:{name}")

    def sha256(self, name: str) -> str:
        """Raises MediaError."""
        return hashlib.sha256(self.data(name)).hexdigest()

    def is_outside(self, name: str) -> bool:
        """The archive holds all media of its samples."""
        return False


class MemberFolder(MediaFolder):
    """Media that are files of an archive, for the readers of layouts."""

    def locate(self, value: Any) -> str:
        """The name of a file. Raises ValueError for a medium in the JSON of a sample."""
        if not isinstance(value, dict) or set(value) != {"path"}:
            raise ValueError("a medium stands in the JSON; give it a file in the archive")
        return str(value["path"])


@lru_cache(maxsize=1024)
def find_members(path: Path, size: int, modified: int) -> MemberIndex:
    """The index of an archive of this size and time. Raises ValueError if it is damaged."""
    stored = stored_index(path, size, modified)
    return MemberIndex(**stored) if stored else index_members(path)


def index_members(path: Path) -> MemberIndex:
    """One pass over the headers. Raises ValueError if the archive is damaged or compressed."""
    digest, names = hashlib.sha256(), bytearray()
    name_ends, starts, sizes, first = (array("q") for _ in range(4))
    previous, size = None, path.stat().st_size
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                key, _ = parts_of(member.name)
                if not member.isreg() or not key:
                    continue
                if member.offset_data + member.size > size:
                    raise tarfile.ReadError(f"{member.name} ends behind the end of the file")
                digest.update(f"{member.name}\0{member.size}\0{member.mtime}\0".encode())
                if key != previous:
                    first.append(len(starts))
                    previous = key
                names += member.name.encode()
                name_ends.append(len(names))
                starts.append(member.offset_data)
                sizes.append(member.size)
    except (tarfile.TarError, EOFError, UnicodeError) as error:
        raise ValueError(
            f"{printable(path)}: is no whole tar archive without compression: {error}"
        ) from None
    first.append(len(starts))
    return MemberIndex(
        names=np.frombuffer(bytes(names), np.uint8),
        name_ends=np.frombuffer(name_ends, np.int64),
        starts=np.frombuffer(starts, np.int64),
        sizes=np.frombuffer(sizes, np.int64),
        first=np.frombuffer(first, np.int64),
        sha256=digest.hexdigest(),
    )

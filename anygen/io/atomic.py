"""Atomic writes: a write that is killed leaves the previous file as it was."""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anygen.core.text import to_json

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # a full or read-only disk


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder, which becomes `path` at the end.

    The file is flushed to the disk first. The next write overwrites what a killed one left behind.
    Raises OSError with the name of `path`, also if it is a folder, or the disk is full.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = path.absolute().with_name(f".{path.stem[:100]}.partial{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        is_full = error.filename is None and error.errno in DISK_ERRORS
        if is_full or str(error.filename) == str(temporary):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_json(data: Mapping[str, Any] | Sequence[Any], path: Path) -> None:
    """Writes indented JSON, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(to_json(data, indent=2) + "\n", encoding="utf-8")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary folder, which becomes `path` at the end and is removed after an error.

    Raises ValueError if `path` exists.
    """
    if path.exists():
        raise ValueError(f"{path} exists; name a new folder")
    temporary = path.absolute().with_name(f".{path.name[:100]}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

"""Files that are whole: a write that is killed leaves what was there before."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder that becomes `path` when all is on the disk.

    What a killed write has left under it is overwritten by the next one.
    """
    temporary = path.absolute().with_name(f".{path.stem[:100]}.partial{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(data: Mapping[str, Any], path: Path) -> None:
    with replacing(path) as temporary:
        text = json.dumps(data, indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder under a temporary name that becomes `path` at the end, or is gone.

    Raises ValueError where `path` is there already.
    """
    if path.exists():
        raise ValueError(f"{path} is there already; name a folder that is new")
    temporary = path.absolute().with_name(f".{path.name[:100]}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

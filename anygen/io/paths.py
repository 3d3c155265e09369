"""Paths as people write them, and what they may turn out to name."""

from __future__ import annotations

import os
from errno import EINVAL
from pathlib import Path


def read_file(path: Path) -> bytes:
    """All of a file. Raises OSError, also for devices and pipes, which may never end."""
    if path.exists() and not path.is_file():
        raise OSError(EINVAL, "is a folder, a device or a pipe, not a file", str(path))
    return path.read_bytes()


def user_path(text: str) -> Path:
    """The path with the home folder for `~`, which stays as it is if there is no such user."""
    return Path(os.path.expanduser(text))  # noqa: PTH111  # Path.expanduser raises RuntimeError

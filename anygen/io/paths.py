"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path


def user_path(text: str) -> Path:
    """The path with the home folder for `~`, which stays as it is if there is no such user."""
    return Path(os.path.expanduser(text))  # noqa: PTH111  # Path.expanduser raises RuntimeError

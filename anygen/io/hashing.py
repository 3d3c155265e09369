"""The SHA-256 of the files in a folder."""

import hashlib
from collections.abc import Callable
from pathlib import Path

CHUNK = 1 << 20  # bytes


def folder_hash(folder: Path, counts: Callable[[Path], bool] = lambda path: True) -> str:
    """64 hexadecimal digits, of the names, sizes and contents of the files that count."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and counts(path)):
        digest.update(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n".encode())
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
    return digest.hexdigest()

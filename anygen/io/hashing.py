"""The SHA-256 of files and folders."""

import hashlib
from collections.abc import Callable
from pathlib import Path

BLOCK = 2**20  # bytes read at a time


def folder_hash(folder: Path, counts: Callable[[Path], bool] = lambda path: True) -> str:
    """64 hexadecimal digits, of the names, sizes and contents of the files that count."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and counts(path)):
        digest.update(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n".encode())
        update(digest, path)
    return digest.hexdigest()


def update(digest: "hashlib._Hash", path: Path) -> None:
    """Adds the content of a file, which never is in memory as a whole."""
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)

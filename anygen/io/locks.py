"""Locks of folders that one process at a time may write to."""

from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout


def acquire(path: Path, refusal: str) -> BaseFileLock:
    """The lock at a path, held until it is released, or until the process ends.

    Raises ValueError with the text `refusal` if another process holds it.
    """
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise ValueError(refusal) from None
    return lock

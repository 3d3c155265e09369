"""Errors of files that cannot be read or written, as sentences for a terminal."""

import struct
import zlib
from pathlib import Path

import av
from PIL import Image as PILImage

# Exceptions that Pillow and PyAV raise for broken data.
BROKEN = (
    OSError,
    ValueError,
    TypeError,
    SyntaxError,
    EOFError,
    LookupError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    PILImage.DecompressionBombError,
    av.FFmpegError,
)


class MediaError(ValueError):
    """One sentence that names the file and the problem."""


def printable(text: str | Path) -> str:
    """The text for printing: without control characters, and with odd bytes escaped."""
    escaped = str(text).encode(errors="backslashreplace").decode()
    return "".join(character for character in escaped if character.isprintable())

"""What is said of a file that cannot be read or written: one sentence that a terminal can show."""

import struct
import zlib
from pathlib import Path

import av
from PIL import Image as PILImage

# What Pillow and PyAV were seen to raise on broken data.
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
    """One sentence: which file, and what is wrong with it."""


def printable(text: str | Path) -> str:
    """The text without control characters: names from users are shown on terminals."""
    return "".join(character for character in str(text) if character.isprintable())

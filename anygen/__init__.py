"""anygen: text, images, audio and video in and out of one conversation."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from anygen.core.version import DISTRIBUTION, __version__

if TYPE_CHECKING:
    from anygen.anygen import AnyGen
    from anygen.core.media import Audio, Image, Media, Message, Part, Video
    from anygen.generation.answer import Answer
    from anygen.generation.events import (
        Done,
        Event,
        Forgotten,
        MediaDone,
        MediaFailed,
        MediaPreview,
        MediaProgress,
        MediaStarted,
        TextDelta,
    )
    from anygen.generation.options import AnswerOptions, Edit
    from anygen.generation.request import Request
    from anygen.io.media_files import read_media, write_media
    from decoders.base import SampleOptions

PUBLIC = {
    "anygen.anygen": ("AnyGen",),
    "anygen.core.media": ("Audio", "Image", "Media", "Message", "Part", "Video"),
    "anygen.generation.answer": ("Answer",),
    "anygen.generation.events": (
        "Done",
        "Event",
        "Forgotten",
        "MediaDone",
        "MediaFailed",
        "MediaPreview",
        "MediaProgress",
        "MediaStarted",
        "TextDelta",
    ),
    "anygen.generation.options": ("AnswerOptions", "Edit"),
    "anygen.generation.request": ("Request",),
    "anygen.io.media_files": ("read_media", "write_media"),
    "decoders.base": ("SampleOptions",),
}
MODULES = {name: module for module, names in PUBLIC.items() for name in names}
__all__ = [
    "DISTRIBUTION",
    "Answer",
    "AnswerOptions",
    "AnyGen",
    "Audio",
    "Done",
    "Edit",
    "Event",
    "Forgotten",
    "Image",
    "Media",
    "MediaDone",
    "MediaFailed",
    "MediaPreview",
    "MediaProgress",
    "MediaStarted",
    "Message",
    "Part",
    "Request",
    "SampleOptions",
    "TextDelta",
    "Video",
    "__version__",
    "read_media",
    "write_media",
]


def __getattr__(name: str) -> Any:
    """Load what is public on first use, so that `import anygen` never imports torch."""
    if name in MODULES:
        return getattr(import_module(MODULES[name]), name)
    raise AttributeError(f"module 'anygen' has no attribute {name!r}")

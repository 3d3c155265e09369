"""anygen: text, images, audio and video in and out of one conversation."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anygen.model import AnyGen

__version__ = "0.1.0"
DISTRIBUTION = "anygen-mm"  # what pip calls it: `anygen` on PyPI belongs to somebody else
__all__ = ["DISTRIBUTION", "AnyGen", "__version__"]


def __getattr__(name: str) -> Any:
    """Load `AnyGen` on first use, so that `import anygen` stays instant and never imports torch."""
    if name == "AnyGen":
        from anygen.model import AnyGen

        return AnyGen
    raise AttributeError(f"module 'anygen' has no attribute {name!r}")

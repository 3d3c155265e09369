"""anygen: text, images, audio and video in and out of one conversation."""

from typing import TYPE_CHECKING, Any

from anygen.core.version import DISTRIBUTION, __version__

if TYPE_CHECKING:
    from anygen.model.multimodal import AnyGen

__all__ = ["DISTRIBUTION", "AnyGen", "__version__"]


def __getattr__(name: str) -> Any:
    """Load `AnyGen` on first use, so that `import anygen` stays instant and never imports torch."""
    if name == "AnyGen":
        from anygen.model.multimodal import AnyGen

        return AnyGen
    raise AttributeError(f"module 'anygen' has no attribute {name!r}")

"""Which frames of a video or an animation are kept: even in time, and no larger than needed."""

from collections.abc import Iterator

MAX_FRAMES = 64
MAX_SIDE = 512  # pixels


def middles(start: float, end: float, count: int) -> Iterator[float]:
    """The middles of `count` equal slices of the time from start to end."""
    return (start + (2 * index + 1) * (end - start) / (2 * count) for index in range(count))


def fit(width: int, height: int) -> tuple[int, int]:
    """The size with the long side at most MAX_SIDE."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))

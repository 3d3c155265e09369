"""Samples the frames of videos and animations: evenly spaced and of limited size."""

from collections.abc import Iterator

MAX_FRAMES = 64
MAX_SIDE = 512  # pixels


def middles(start: float, end: float, count: int) -> Iterator[float]:
    """The middles of `count` equal slices of the time from start to end."""
    return (start + (2 * index + 1) * (end - start) / (2 * count) for index in range(count))


def limited_size(width: int, height: int) -> tuple[int, int]:
    """The size (width, height), reduced so that the long side is at most MAX_SIDE."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))

"""Opens containers of sound and video with PyAV and decodes their tracks."""

import math
from collections.abc import Iterator
from typing import Any, BinaryIO

import av
from av.stream import Disposition

MAX_FRAME_PIXELS = 40_000_000  # a little more than 8K
BUFFER = 2**20  # bytes; PyAV's default of 32 kB makes large files three times as slow


def open_container(stream: BinaryIO, form: str) -> Any:
    """Opens a stream at its beginning. The format is fixed: guessing may open playlists, too."""
    stream.seek(0)
    limits = {"max_pixels": str(MAX_FRAME_PIXELS)}
    container = av.open(
        stream, format=form, options=limits, buffer_size=BUFFER, metadata_errors="replace"
    )
    for track in picture_tracks(container):
        track.codec_context.options = limits
    return container


def picture_tracks(container: Any) -> list[Any]:
    """The video tracks that can be decoded, without album covers."""
    return [
        track
        for track in container.streams.video
        if track.codec_context and not track.disposition & Disposition.attached_pic
    ]


def sound_tracks(container: Any) -> list[Any]:
    return [track for track in container.streams.audio if track.codec_context]


def decoded(container: Any, track: Any, begin: float = -math.inf) -> Iterator[Any]:
    """The frames of a track, without packets that start before `begin` (in ticks).

    Broken packets are skipped, as players do.
    """
    for packet in container.demux(track):
        if packet.pts is not None and packet.pts < begin:
            continue
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue


def stated_seconds(container: Any, track: Any) -> float | None:
    """The duration that the file states for a track, if any."""
    if track.duration:
        return float(track.duration * track.time_base)
    return container.duration / av.time_base if container.duration else None

"""Containers of sound and pictures, through PyAV: opened, and their tracks decoded."""

import math
from collections.abc import Iterator
from typing import Any, BinaryIO

import av
from av.stream import Disposition

MAX_FRAME_PIXELS = 40_000_000  # 8K, and a little more
BUFFER = 2**20  # bytes; PyAV's own 32 kB make a large file three times as slow


def open_container(stream: BinaryIO, form: str) -> Any:
    """From the beginning. The format is given, as a guess may open playlists and scripts too."""
    stream.seek(0)
    limits = {"max_pixels": str(MAX_FRAME_PIXELS)}
    container = av.open(
        stream, format=form, options=limits, buffer_size=BUFFER, metadata_errors="replace"
    )
    for track in picture_tracks(container):
        track.codec_context.options = limits
    return container


def picture_tracks(container: Any) -> list[Any]:
    """Those that move and can be decoded: the cover of an album is none."""
    return [
        track
        for track in container.streams.video
        if track.codec_context and not track.disposition & Disposition.attached_pic
    ]


def sound_tracks(container: Any) -> list[Any]:
    return [track for track in container.streams.audio if track.codec_context]


def decoded(container: Any, track: Any, begin: float = -math.inf) -> Iterator[Any]:
    """The frames of a track, without the packets that start before `begin`, in ticks.

    A packet that is broken is passed over, as players do.
    """
    for packet in container.demux(track):
        if packet.pts is not None and packet.pts < begin:
            continue
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue


def stated_seconds(container: Any, track: Any) -> float | None:
    """How long a track is by the file's own word, if it says."""
    if track.duration:
        return float(track.duration * track.time_base)
    return container.duration / av.time_base if container.duration else None

"""Reads videos with PyAV: 64 evenly spaced frames, upright, of at most 512 pixels a side.

The duration is divided into 64 equal slices (fewer if there are fewer frames). In videos of up to
30 seconds, which are decoded completely, the frame at the middle of a slice represents it. In
longer ones the key frame nearest to the middle does; only a slice without a key frame is decoded
from the last one before it. An hour therefore takes 64 seeks, and with an index (MP4, MOV) the
rest of the file is not read.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from anygen.io.formats.containers import decoded, open_container, picture_tracks, stated_seconds
from anygen.io.formats.errors import MediaError
from anygen.io.formats.sampling import MAX_FRAMES, limited_size, middles

EXACT_SECONDS = 30  # longer videos are represented by key frames
MAX_SECONDS = 1_000_000  # eleven days; a longer duration is a damaged clock
MAX_WORK = 30_000_000_000  # decoded pixels: 8 minutes of 1080p at 30 fps, which take some minutes


@dataclass(frozen=True)
class Timeline:
    """The frames of a track, in ticks."""

    starts: list[int]  # sorted
    keys: list[int]  # starts of key frames
    end: int


def read_frames(stream: BinaryIO, name: str, form: str) -> tuple[Tensor, float]:
    """Frames (T, 3, H, W) uint8 of the first track, and the frame rate."""
    with open_container(stream, form) as container:
        timeline = _timeline(container, picture_tracks(container)[0], name)
    with open_container(stream, form) as container:
        track = picture_tracks(container)[0]
        seconds = (timeline.end - timeline.starts[0]) * track.time_base
        if not 0 < seconds < MAX_SECONDS:
            raise MediaError(f"{name}: the clock of this video is damaged")
        count = min(MAX_FRAMES, len(timeline.starts))
        if seconds > EXACT_SECONDS:
            moments, keys = _near_key_frames(timeline, count), timeline.keys
        else:
            moments = list(middles(timeline.starts[0], timeline.end, count))
            keys = timeline.starts[:1]
        _refuse_much_work(track, moments, keys, name)
        frames = _resized(_on_screen(container, track, moments, keys))
    if len(frames) < len(moments):
        raise MediaError(f"{name}: this video is damaged or truncated")
    return torch.stack(frames), float(len(moments) / seconds)


def _timeline(container: Any, track: Any, name: str) -> Timeline:
    """The timeline, without decoding; a long track with an index is not even read."""
    return _index(container, track) or _packets(container, track, name)


def _index(container: Any, track: Any) -> Timeline | None:
    """The timeline from an index, if the file has one with every frame."""
    seconds = stated_seconds(container, track) or 0.0
    entries = track.index_entries
    if seconds < EXACT_SECONDS or not track.frames or not len(entries):
        return None
    starts = sorted(entry.timestamp for entry in entries)
    end = starts[0] + round(seconds / track.time_base)
    if end - starts[-1] > (end - starts[0]) / 10:  # the index has only what was read so far
        return None
    return Timeline(starts, sorted(e.timestamp for e in entries if e.is_keyframe), end)


def _packets(container: Any, track: Any, name: str) -> Timeline:
    """The timeline from the packets of the file."""
    packets = [
        (packet.pts, packet.duration or 0, packet.is_keyframe, packet.is_corrupt)
        for packet in container.demux(track)
        if packet.pts is not None and not packet.is_discard
    ]
    if not packets or any(corrupt for *_, corrupt in packets):
        raise MediaError(f"{name}: this video is damaged or truncated")
    starts = sorted({pts for pts, *_ in packets})
    keys = sorted({pts for pts, _, key, _ in packets if key}) or starts[:1]
    end = max(pts + duration for pts, duration, *_ in packets)
    if end == starts[-1]:  # the last frame lasts as long as the others; a single frame one second
        end += (end - starts[0]) // max(1, len(starts) - 1) or round(1 / track.time_base)
    return Timeline(starts, keys, end)


def _near_key_frames(timeline: Timeline, count: int) -> list[float]:
    """The middles of `count` slices, each moved to the nearest key frame in its slice, if any."""
    half = (timeline.end - timeline.starts[0]) / count / 2
    moments = []
    for moment in middles(timeline.starts[0], timeline.end, count):
        after = bisect.bisect(timeline.keys, moment)
        around = timeline.keys[max(0, after - 1) : after + 1]
        key = min(around, key=lambda key, moment=moment: abs(key - moment))  # type: ignore[misc]
        moments.append(key if abs(key - moment) < half else moment)
    return moments


def _refuse_much_work(track: Any, moments: list[float], keys: list[int], name: str) -> None:
    begins = [max(_key_before(keys, now), last) for last, now in zip([0, *moments], moments)]
    ticks = sum(now - begin for begin, now in zip(begins, moments))
    frames = float(ticks * track.time_base * (track.average_rate or 25))
    if frames * track.width * track.height > MAX_WORK:
        raise MediaError(f"{name}: would take long to decode; it needs key frames more often")


def _key_before(keys: list[int], moment: float) -> int:
    return keys[max(0, bisect.bisect_right(keys, moment) - 1)]


def _on_screen(container: Any, track: Any, moments: list[float], keys: list[int]) -> Iterator[Any]:
    """The frames on screen at these moments (in ticks), by seeking to key frames."""
    frames = _timed(container, track)
    shown = coming = next(frames, None)
    for moment in moments:
        key = _key_before(keys, moment)
        if coming and key > coming.pts:
            container.seek(key, stream=track)
            frames = _timed(container, track)
            shown = coming = next(frames, None)
        while coming and coming.pts <= moment:
            shown, coming = coming, next(frames, None)
        if shown:
            yield shown


def _timed(container: Any, track: Any) -> Iterator[Any]:
    return (frame for frame in decoded(container, track) if frame.pts is not None)


def _resized(frames: Iterator[Any]) -> list[Tensor]:
    """Resizes all frames to the size of the first: some recorders change it."""
    size, resized = None, []
    for frame in frames:
        size = size or limited_size(frame.width, frame.height)
        resized.append(_pixels(frame, size))
    return resized


def _pixels(frame: Any, size: tuple[int, int]) -> Tensor:
    """(3, H, W) uint8, resized to (W, H) and then rotated as the file states."""
    small = frame.reformat(*size, format="rgb24", interpolation="AREA")
    upright = np.rot90(small.to_ndarray(), frame.rotation // 90)
    return torch.from_numpy(upright.copy()).permute(2, 0, 1).contiguous()

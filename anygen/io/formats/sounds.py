"""Reads sounds with PyAV: any codec, at its sample rate, mono or stereo.

Sounds of up to two minutes are read completely. Longer ones are sampled to 60 clips of two seconds
from the middles of 60 equal slices, joined; the rest is not decoded. More than two channels become
stereo (`downmix`) in the same way for all formats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO

import av
import numpy as np
import torch

from anygen.core.media import Audio
from anygen.io.formats.containers import decoded, open_container, sound_tracks, stated_seconds
from anygen.io.formats.errors import MediaError
from anygen.io.formats.sampling import middles

# C channels, N samples
WHOLE_SECONDS = 120
PIECES = 60
PIECE_SECONDS = 2
LEAD_IN = 0.5  # seconds decoded before a clip: Opus needs 80 ms (RFC 7845, 4.6), MP3 some frames
RATES = range(1_000, 768_001)  # samples per second

HALF_POWER = 0.5**0.5  # ITU-R BS.775-4, table 2: centre and surround at -3 dB


def read_sound(stream: BinaryIO, name: str, form: str) -> Audio | None:
    """The first sound track of a container; None if it has no samples."""
    seconds = _seconds(stream, form)
    with open_container(stream, form) as container:
        track = sound_tracks(container)[0]
        if track.rate not in RATES:
            low, high = RATES[0], RATES[-1]
            raise MediaError(f"{name}: has {track.rate} samples a second, not {low} to {high}")
        max_samples = WHOLE_SECONDS * track.rate
        if seconds > WHOLE_SECONDS:
            samples_CN = _joined(_pieces(container, track, seconds), max_samples)
        else:
            length = round(seconds * track.rate)
            max_samples = length if form == "ogg" else max_samples  # Vorbis pads its last block
            samples_CN = _joined((chunk for _, chunk in _chunks(container, track)), max_samples)
            if form == "flac" and samples_CN.shape[-1] < length:
                raise MediaError(f"{name}: this FLAC file is damaged or truncated")
        return Audio(torch.from_numpy(samples_CN), track.rate) if samples_CN.size else None


def _seconds(stream: BinaryIO, form: str) -> float:
    """The duration. It is counted if the file does not state it, or is an MP3, which estimates."""
    with open_container(stream, form) as container:
        track = sound_tracks(container)[0]
        stated = stated_seconds(container, track)
        if stated is not None and form != "mp3":
            return stated
        ticks = sum(packet.duration or 0 for packet in container.demux(track))
        return float(ticks * track.time_base)


def _pieces(container: Any, track: Any, seconds: float) -> Iterator[np.ndarray]:
    start = float((track.start_time or 0) * track.time_base)
    moments = middles(start, start + seconds, PIECES)
    return chain.from_iterable(
        _piece(container, track, moment - PIECE_SECONDS / 2) for moment in moments
    )


def _piece(container: Any, track: Any, begin: float) -> Iterator[np.ndarray]:
    """Arrays (C, N) that last PIECE_SECONDS together, from `begin` (in seconds)."""
    lead_in = int((begin - LEAD_IN) / track.time_base)
    if container.format.name == "mp3":  # its table of contents is seconds off
        chunks = _chunks(container, track, lead_in)
    else:
        container.seek(lead_in, stream=track)
        chunks = _chunks(container, track)
    missing = PIECE_SECONDS * track.rate
    for moment, chunk_CN in chunks:
        started = missing < PIECE_SECONDS * track.rate
        early = 0 if started else max(0, round((begin - moment) * track.rate))
        kept_CN = chunk_CN[:, early : early + missing]
        missing -= kept_CN.shape[1]
        yield kept_CN
        if not missing:
            return


def _chunks(
    container: Any, track: Any, begin: float = -math.inf
) -> Iterator[tuple[float, np.ndarray]]:
    """The start of each frame in seconds, and its samples (C, N), C at most 2."""
    # Interleaved, since PyAV reads 8 or more separate channels beyond their end.
    resampler = av.AudioResampler("flt", rate=track.rate)
    for frame in decoded(container, track, begin):
        for piece in resampler.resample(frame):
            channels = piece.layout.nb_channels
            samples_CN = piece.to_ndarray().reshape(-1, channels).T
            yield frame.time or 0.0, downmix(samples_CN, _channel_names(piece.layout))


def _channel_names(layout: av.AudioLayout) -> list[str]:
    """The names of channels; if they have none, those of the usual layout of that number."""
    names = [channel.name for channel in layout.channels]
    if "NONE" in names and len(names) <= 8:
        return [channel.name for channel in av.AudioLayout(f"{len(names)}c").channels]
    return names


def downmix(samples_CN: np.ndarray, names: list[str]) -> np.ndarray:
    """Mixes more than two channels to two (ITU-R BS.775-4, annex 4), scaled to avoid clipping.

    Left and right keep their sides, the centre is added to both at -3 dB, surround to its side at
    -3 dB, rear and top centre to both at -6 dB; the low-frequency channel is dropped.
    """
    if len(names) <= 2:
        return samples_CN
    weights_2C = np.array([[_weight(name, side) for name in names] for side in "LR"])
    loudest = max(weights_2C.sum(axis=1).max(), 1.0)
    return (weights_2C / loudest).astype(np.float32) @ samples_CN


def _weight(name: str, side: str) -> float:
    if name.startswith("LFE"):
        return 0.0
    if name in ("FL", "FR"):
        return float(name[-1] == side)
    if name == "FC":
        return HALF_POWER
    if name[-1] in "LR":
        return HALF_POWER * (name[-1] == side)
    return 0.5


def _joined(chunks: Iterator[np.ndarray], max_samples: int) -> np.ndarray:
    """Joins chunks to (C, N) float32 in [-1, 1], N at most `max_samples`, without a second copy."""
    filled = 0
    samples_CN = np.zeros((0, 0), np.float32)
    for chunk_CN in chunks:
        if not samples_CN.size:
            samples_CN = np.zeros((len(chunk_CN), max_samples), np.float32)
        kept = min(chunk_CN.shape[1], max_samples - filled)
        samples_CN[:, filled : filled + kept] = np.nan_to_num(chunk_CN[:, :kept]).clip(-1, 1)
        filled += kept
        if filled == max_samples:
            break
    return np.ascontiguousarray(samples_CN[:, :filled])

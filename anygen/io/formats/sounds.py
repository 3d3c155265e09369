"""Sounds from files, through PyAV: any codec, at their own rate, mono or stereo.

A sound of up to two minutes is heard whole. Of a longer one 60 pieces of two seconds are heard,
the middles of 60 equal slices of its length, joined; what is between them is not decoded.
More than two channels become stereo by one rule (`downmix`), whatever the format.
"""

from __future__ import annotations

import math
import os
import struct
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
LEAD_IN = 0.5  # seconds decoded before a piece: Opus wants 80 ms (RFC 7845, 4.6), MP3 some frames
RATES = range(1_000, 768_001)  # samples per second

HALF_POWER = 0.5**0.5  # ITU-R BS.775-4, table 2: centre and surround at -3 dB


def read_sound(stream: BinaryIO, name: str, form: str) -> Audio | None:
    """The first sound track of a container; None if there is no sample in it."""
    if form == "wav":
        _refuse_short_wav(stream, name)
    seconds = _seconds(stream, form)
    with open_container(stream, form) as container:
        track = sound_tracks(container)[0]
        if track.rate not in RATES:
            low, high = RATES[0], RATES[-1]
            raise MediaError(f"{name}: has {track.rate} samples a second, not {low} to {high}")
        most = WHOLE_SECONDS * track.rate
        if seconds > WHOLE_SECONDS:
            samples_CN = _joined(_pieces(container, track, seconds), most)
        else:
            length = round(seconds * track.rate)
            most = length if form == "ogg" else most  # Vorbis fills up its last block
            samples_CN = _joined((chunk for _, chunk in _chunks(container, track)), most)
            if form == "flac" and samples_CN.shape[-1] < length:
                raise MediaError(f"{name}: this FLAC file is damaged or truncated")
        return Audio(torch.from_numpy(samples_CN), track.rate) if samples_CN.size else None


def _refuse_short_wav(stream: BinaryIO, name: str) -> None:
    """A WAV that was cut off is read without a word; its header tells."""
    stream.seek(0)
    head = stream.read(12)
    available = stream.seek(0, os.SEEK_END)
    if len(head) < 12 or head[:4] != b"RIFF":
        return
    (stated,) = struct.unpack("<I", head[4:8])
    if stated < 0x7FFFFFFF and stated + 8 > available:  # streams write a huge size, as unknown
        raise MediaError(f"{name}: this WAV file is damaged or truncated")


def _seconds(stream: BinaryIO, form: str) -> float:
    """How long the sound is. What is not stated, or in MP3 only guessed, is counted."""
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
    """(C, N) arrays, PIECE_SECONDS in all, from `begin` seconds on."""
    lead_in = int((begin - LEAD_IN) / track.time_base)
    if container.format.name == "mp3":  # its own table of contents is seconds off
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
    """When each frame starts, in seconds, and its samples (C, N), C at most 2."""
    # Interleaved: PyAV looks for the end of 8 or more separate channels where there is none.
    resampler = av.AudioResampler("flt", rate=track.rate)
    for frame in decoded(container, track, begin):
        for piece in resampler.resample(frame):
            channels = piece.layout.nb_channels
            samples_CN = piece.to_ndarray().reshape(-1, channels).T
            yield frame.time or 0.0, downmix(samples_CN, _channel_names(piece.layout))


def _channel_names(layout: av.AudioLayout) -> list[str]:
    """Where the channels belong; of channels without names what their number usually means."""
    names = [channel.name for channel in layout.channels]
    if "NONE" in names and len(names) <= 8:
        return [channel.name for channel in av.AudioLayout(f"{len(names)}c").channels]
    return names


def downmix(samples_CN: np.ndarray, names: list[str]) -> np.ndarray:
    """More than two channels as two (ITU-R BS.775-4, annex 4), scaled so that nothing can clip.

    Left and right keep their side, the centre goes to both at -3 dB, surround to its side at -3 dB,
    what is behind or above the middle to both at -6 dB, and the low-frequency channel is left out.
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


def _joined(chunks: Iterator[np.ndarray], most: int) -> np.ndarray:
    """(C, N) float32 in [-1, 1], N at most `most`: held once, never copied when full."""
    filled = 0
    samples_CN = np.zeros((0, 0), np.float32)
    for chunk_CN in chunks:
        if not samples_CN.size:
            samples_CN = np.zeros((len(chunk_CN), most), np.float32)
        kept = min(chunk_CN.shape[1], most - filled)
        samples_CN[:, filled : filled + kept] = np.nan_to_num(chunk_CN[:, :kept]).clip(-1, 1)
        filled += kept
        if filled == most:
            break
    return np.ascontiguousarray(samples_CN[:, :filled])

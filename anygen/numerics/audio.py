"""Samples to one channel at one rate, and log-mel spectrograms of them: 64 bands of 0 to 8 kHz."""

from typing import Literal

import numpy as np
import soxr
import torch
from torch import Tensor

from anygen.core.media import Audio

RATE = 16_000  # samples per second
FFT = 1024
HOP = 256
BANDS = 64
FLOOR = 1e-2  # 90 dB below the loudest bands of full-scale music
# Slaney's mel scale is linear up to 1 kHz, which is 15 mel, and logarithmic above.
CORNER_HZ, CORNER_MEL = 1000.0, 15.0
LOG_STEP = np.log(6.4) / 27.0  # of the frequency, per mel
# Log-mel values lie in [-4.6, 5.8]; these map them to [-1, 1].
CENTER, SPREAD = 0.6, 5.2


def to_mono(sound: Audio, rate: int = RATE) -> Tensor:
    """The mean of the channels, resampled to `rate` samples per second: (N,) float32."""
    samples = sound.samples.float().mean(0).cpu()
    if sound.rate == rate:
        return samples
    return torch.from_numpy(soxr.resample(samples.numpy(), sound.rate, rate))


def log_mel(samples: Tensor, filters: Tensor, floor: float, centered: bool) -> Tensor:
    """(B, N) at 16 kHz -> (B, 64, frames), log magnitudes of at least `floor`.

    Centered frames have sample 256 i in their middle, with silence beyond the ends: there are
    1 + N // 256 of them. Otherwise frame i is centered on samples 256 i to 256 (i + 1), with the
    sound mirrored beyond its ends: there are N / 256, and N must be a multiple of 256.
    """
    window = torch.hann_window(FFT, device=samples.device)
    if centered:
        padded = torch.nn.functional.pad(samples, (FFT // 2, FFT // 2))
    else:
        margin = (FFT - HOP) // 2
        padded = torch.nn.functional.pad(samples[:, None], (margin, margin), mode="reflect")[:, 0]
    spectrum = torch.stft(padded, FFT, HOP, window=window, center=False, return_complex=True)
    return (filters @ spectrum.abs()).clamp(min=floor).log()


def slaney_filters(
    bands: int = BANDS, rate: int = RATE, norm: Literal["slaney"] | None = None
) -> Tensor:
    """(bands, 513), triangles of height 1, or with `norm` of equal areas.

    The filter bank of Slaney's Auditory Toolbox (1998): bands of equal width in mel from 0 to
    `rate` / 2 Hz, each from the middle of the one below to the middle of the one above.
    """
    top = CORNER_MEL + np.log(rate / 2 / CORNER_HZ) / LOG_STEP
    mels = np.linspace(0, top, bands + 2)
    above = CORNER_HZ * np.exp(LOG_STEP * (mels - CORNER_MEL))
    edges = np.where(mels < CORNER_MEL, CORNER_HZ / CORNER_MEL * mels, above)  # Hz
    beyond = edges[:, None] - np.linspace(0, rate / 2, FFT // 2 + 1)  # of each edge, past each bin
    widths = np.diff(edges)[:, None]
    bank = np.minimum(-beyond[:-2] / widths[:-1], beyond[2:] / widths[1:]).clip(min=0)
    if norm:
        bank *= 2 / (edges[2:] - edges[:-2])[:, None]
    return torch.from_numpy(bank).float()


def mel_to_picture(mel: Tensor) -> Tensor:
    """(B, 64, frames) -> (B, 1, 64, frames) in about [-1, 1]."""
    return ((mel - CENTER) / SPREAD)[:, None]


def mel_from_picture(picture: Tensor) -> Tensor:
    """The inverse: (B, 1, 64, frames) -> (B, 64, frames)."""
    return picture[:, 0].float() * SPREAD + CENTER

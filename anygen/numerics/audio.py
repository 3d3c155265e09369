"""Samples to one channel at one rate, and log-mel spectrograms of them: 64 bands of 0 to 8 kHz."""

from typing import Literal

import numpy as np
import soxr
import torch
from torch import Tensor
from transformers.audio_utils import mel_filter_bank

from anygen.core.media import Audio

RATE = 16_000  # samples per second
FFT = 1024
HOP = 256
BANDS = 64
FLOOR = 1e-2  # 90 dB below the loudest bands of full-scale music
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
    """(bands, 513), Slaney's mel filter bank; triangles of height 1, or with `norm` equal areas."""
    bank = mel_filter_bank(FFT // 2 + 1, bands, 0, rate / 2, rate, norm=norm, mel_scale="slaney")
    return torch.from_numpy(np.ascontiguousarray(bank.T)).float()


def mel_to_picture(mel: Tensor) -> Tensor:
    """(B, 64, frames) -> (B, 1, 64, frames) in about [-1, 1]."""
    return ((mel - CENTER) / SPREAD)[:, None]


def mel_from_picture(picture: Tensor) -> Tensor:
    """The inverse: (B, 1, 64, frames) -> (B, 64, frames)."""
    return picture[:, 0].float() * SPREAD + CENTER

"""The audio tower's input: log-mel spectrograms of three clips of a sound, as published.

Computed in double precision on the CPU, from which the published float32 differs by about 1e-4.
"""

# C channels, N samples, T frames of a spectrogram

import math
import warnings
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers.audio_utils import mel_filter_bank

from anygen.core.media import Audio

RATE = 16_000  # samples per second
CLIPS, CLIP_SAMPLES = 3, 2 * RATE
CENTRE, SPREAD = -4.268, 9.138  # of log-mel values

# Kaldi's filter bank with `htk_compat` and a Hann window
WINDOW, HOP, FFT = 400, 160, 512  # samples
EMPHASIS = 0.97
LOWEST = 20.0  # Hz
FLOOR = torch.finfo(torch.float32).eps

# torchaudio's default resampling: sinc in a Hann window of six zeros on each side
ZEROS, ROLLOFF = 6, 0.99


def sound_views(sound: Audio, size: tuple[int, int]) -> Tensor:
    """(3, 1, bands, frames) of clips of two seconds at the start, in the middle and at the end.

    Only the first channel is used. Missing frames are padded as in training, so that the logarithm
    is 0 there.
    """
    bands, frames = size
    total = math.ceil(sound.samples.shape[-1] * RATE / sound.rate)
    latest = max(total - CLIP_SAMPLES, 0)
    starts = [latest * index // (CLIPS - 1) for index in range(CLIPS)]
    clips = [resampled(sound, start, min(start + CLIP_SAMPLES, total)) for start in starts]
    levels = [filter_bank((clip - clip.mean())[0], bands).T[:, :frames] for clip in clips]
    padded = torch.stack([functional.pad(x, (0, frames - x.shape[1])) for x in levels])
    return ((padded - CENTRE) / SPREAD).float()[:, None]


def resampled(sound: Audio, first: int, last: int) -> Tensor:
    """Samples `first` to `last` of the sound at 16 kHz, (C, last - first).

    Only these are computed, so that the cost does not depend on the length of the sound.
    """
    samples = sound.samples.double().cpu()
    if sound.rate == RATE:
        return samples[:, first:last]
    cutoff = ROLLOFF * min(RATE / sound.rate, 1)  # as a share of the sound's own highest frequency
    reach = math.ceil(ZEROS / cutoff)
    middles = torch.arange(first, last, dtype=torch.float64)[:, None] * sound.rate / RATE
    indices = middles.long() + torch.arange(-reach, reach + 2)
    periods = ((indices - middles) * cutoff).clamp(-ZEROS, ZEROS)
    kernels = cutoff * torch.sinc(periods) * torch.cos(periods * torch.pi / (2 * ZEROS)) ** 2
    inside = (indices >= 0) & (indices < samples.shape[1])
    around = samples[:, indices.clamp(0, samples.shape[1] - 1)]  # (C, last - first, taps)
    return torch.einsum("cnt,nt->cn", around, kernels * inside)


def filter_bank(samples_N: Tensor, bands: int) -> Tensor:
    """(T, bands): log energies of 25 ms every 10 ms. A shorter sound is one frame."""
    samples_N = functional.pad(samples_N, (0, max(WINDOW - len(samples_N), 0)))
    frames = samples_N.unfold(0, WINDOW, HOP)
    frames = frames - frames.mean(1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], 1)
    window = torch.hann_window(WINDOW, periodic=False, dtype=torch.float64)
    spectrum = torch.fft.rfft((frames - EMPHASIS * before) * window, FFT)
    energies = spectrum.abs() ** 2 @ torch.from_numpy(mel_filters(bands))
    return energies.clamp(min=FLOOR).log()


@cache
def mel_filters(bands: int) -> np.ndarray:
    """(257, bands): triangles of height one on Kaldi's mel scale."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some bands are narrower than a frequency bin, and empty
        bank: np.ndarray = mel_filter_bank(
            FFT // 2 + 1,
            bands,
            LOWEST,
            RATE / 2,
            RATE,
            mel_scale="kaldi",
            triangularize_in_mel_space=True,
        )
    return bank

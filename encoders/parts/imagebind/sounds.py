"""The audio tower's input: log-mel spectrograms of three clips of a sound, as published.

Computed in double precision on the CPU, from which the published float32 differs by about 1e-4.
"""

# C channels, N samples, T frames of a spectrogram

import math
import warnings
from collections.abc import Sequence
from fractions import Fraction
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers.audio_utils import mel_filter_bank

from anygen.core.media import Audio

RATE = 16_000  # samples per second
CLIPS, CLIP_SECONDS = 3, 2
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
    clips = centred(sound, [(first, min(last, total)) for first, last in clip_samples(total)])
    levels = [filter_bank(clip[0], bands).T[:, :frames] for clip in clips]
    padded = torch.stack([functional.pad(x, (0, frames - x.shape[1])) for x in levels])
    return ((padded - CENTRE) / SPREAD).float()[:, None]


def clip_samples(total: int) -> list[tuple[int, int]]:
    """The first sample of each clip of a sound of `total` samples, and the one after its last.

    They are rounded down from seconds as in pytorchvideo's ConstantClipsPerVideoSampler: the
    length of a sound is a float, and what is computed from it is exact.
    """
    latest = Fraction(max(total / RATE - CLIP_SECONDS, 0))
    starts = [latest / (CLIPS - 1) * index for index in range(CLIPS)]
    return [(int(start * RATE), int((start + CLIP_SECONDS) * RATE)) for start in starts]


def centred(sound: Audio, places: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Clips (C, N) of a sound, one mean of all channels subtracted from each.

    The published code does so in place: a clip that overlaps an earlier one finds its mean
    subtracted there.
    """
    clips: list[Tensor] = []
    means: list[tuple[int, int, Tensor]] = []
    for first, last in places:
        clip = resampled(sound, first, last).clone()
        for start, end, mean in means:
            clip[:, max(start - first, 0) : max(end - first, 0)] -= mean
        means.append((first, last, clip.mean()))
        clips.append(clip - clip.mean())
    return clips


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

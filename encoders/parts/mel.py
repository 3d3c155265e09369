"""Log-mel spectrograms for the audio encoder: 64 bands of 0 to 8 kHz, a frame every 16 ms."""

import math

import torch
from torch import Tensor

RATE = 16_000  # samples per second
FFT = 1024
HOP = 256
BANDS = 64
FLOOR = 1e-4  # of the magnitude; below it is silence

# Slaney's scale: linear up to 1 kHz, then 27 bands for every factor of 6.4.
LINEAR_STEP = 200 / 3  # Hz
KNEE = 1000.0  # Hz
LOG_STEP = math.log(6.4) / 27


def log_mel(samples: Tensor, filters: Tensor) -> Tensor:
    """(B, N) at 16 kHz -> (B, 64, 1 + N // 256), log of magnitude, in about [-9.3, 5]."""
    window = torch.hann_window(FFT, device=samples.device)
    spectrum = torch.stft(
        samples, FFT, HOP, window=window, center=True, pad_mode="constant", return_complex=True
    )
    return (filters @ spectrum.abs()).clamp(min=FLOOR).log()


def slaney_filters() -> Tensor:
    """(64, 513), triangles of height one between neighbouring centres."""
    top = KNEE / LINEAR_STEP + math.log(RATE / 2 / KNEE) / LOG_STEP
    edges = hertz(torch.linspace(0, top, BANDS + 2, dtype=torch.float64))
    frequencies = torch.linspace(0, RATE / 2, FFT // 2 + 1, dtype=torch.float64)
    low, centre, high = (edges[i : i + BANDS, None] for i in range(3))
    rising = (frequencies - low) / (centre - low)
    falling = (high - frequencies) / (high - centre)
    return torch.minimum(rising, falling).clamp(min=0).float()


def hertz(mel: Tensor) -> Tensor:
    knee = KNEE / LINEAR_STEP
    return torch.where(
        mel < knee, mel * LINEAR_STEP, KNEE * torch.exp((mel - knee).clamp(min=0) * LOG_STEP)
    )

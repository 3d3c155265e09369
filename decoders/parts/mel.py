"""Log-mel spectrograms, and pictures of them for the audio decoder's VAE."""

import numpy as np
import torch
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

RATE = 16_000  # samples per second
FFT = 1024
HOP = 256
BANDS = 64
FLOOR = 1e-2  # 90 dB below the loudest bands of full-scale music
# Log-mel values lie in [-4.6, 5.8]; these map them to [-1, 1].
CENTER, SPREAD = 0.6, 5.2


class MelPictures(nn.Module):
    """Sounds as pictures of one channel: bands down, time across."""

    filters: Tensor
    rate, hop, bands = RATE, HOP, BANDS

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", slaney_filters(), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """(B, N) -> (B, 1, 64, N / 256) in about [-1, 1]."""
        return to_picture(log_mel(samples, self.filters.float()))

    def spectra(self, picture: Tensor) -> Tensor:
        """What the vocoder hears of a picture: (B, 64, frames)."""
        return from_picture(picture)

    def level(self, samples: Tensor) -> Tensor:
        """As loud as they are."""
        return samples

    def grid(self, bands: int, frames: int) -> tuple[int, int]:
        """Height and width."""
        return (bands, frames)


def log_mel(samples: Tensor, filters: Tensor) -> Tensor:
    """(B, N) at 16 kHz -> (B, 64, N / 256), log magnitude; N must be a multiple of 256."""
    window = torch.hann_window(FFT, device=samples.device)
    margin = (FFT - HOP) // 2
    padded = torch.nn.functional.pad(samples[:, None], (margin, margin), mode="reflect")[:, 0]
    spectrum = torch.stft(padded, FFT, HOP, window=window, center=False, return_complex=True)
    return (filters @ spectrum.abs()).clamp(min=FLOOR).log()


def slaney_filters() -> Tensor:
    """(64, 513), Slaney's mel filter bank: triangles of height 1."""
    bank = mel_filter_bank(FFT // 2 + 1, BANDS, 0, RATE / 2, RATE, norm=None, mel_scale="slaney")
    return torch.from_numpy(np.ascontiguousarray(bank.T)).float()


def to_picture(mel: Tensor) -> Tensor:
    """(B, 64, frames) -> (B, 1, 64, frames) in about [-1, 1]."""
    return ((mel - CENTER) / SPREAD)[:, None]


def from_picture(picture: Tensor) -> Tensor:
    return picture[:, 0].float() * SPREAD + CENTER

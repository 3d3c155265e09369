"""Log-mel spectrograms as pictures, for the audio decoder's VAE: mini's and AudioLDM's.

The constants of the latter are those of its repository (Liu et al. 2023).
"""

from math import prod

import numpy as np
import torch
from torch import Tensor, nn
from transformers import SpeechT5HifiGanConfig
from transformers.audio_utils import mel_filter_bank

from anygen.numerics.audio import (
    BANDS,
    FFT,
    FLOOR,
    HOP,
    RATE,
    log_mel,
    mel_from_picture,
    mel_to_picture,
    slaney_filters,
)

PRETRAINED_FLOOR = 1e-5
PEAK = 0.5  # of every sound that it was trained with, which has no mean either


class MelPictures(nn.Module):
    """Sounds as pictures of one channel: bands down, time across."""

    filters: Tensor
    rate, hop, bands = RATE, HOP, BANDS

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", slaney_filters(), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """(B, N) -> (B, 1, 64, N / 256) in about [-1, 1]."""
        return mel_to_picture(log_mel(samples, self.filters.float(), FLOOR, centered=False))

    def spectra(self, picture: Tensor) -> Tensor:
        """What the vocoder hears of a picture: (B, 64, frames)."""
        return mel_from_picture(picture)

    def level(self, samples: Tensor) -> Tensor:
        """As loud as they are."""
        return samples

    def grid(self, bands: int, frames: int) -> tuple[int, int]:
        """Height and width."""
        return (bands, frames)


class PretrainedMelPictures(nn.Module):
    """Those of the published AudioLDM: time down, bands across, as loud as its vocoder expects."""

    filters: Tensor

    def __init__(self, vocoder: SpeechT5HifiGanConfig) -> None:
        super().__init__()
        self.rate, self.bands = vocoder.sampling_rate, vocoder.model_in_dim
        self.hop = prod(vocoder.upsample_rates)
        self.register_buffer("filters", area_filters(self.bands, self.rate), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """(B, N) -> (B, 1, N / hop, bands), log magnitude; N must be a multiple of the hop."""
        window = torch.hann_window(FFT, device=samples.device)
        spectrum = torch.stft(samples, FFT, self.hop, window=window, return_complex=True)
        magnitude = spectrum.abs()[:, :, :-1]  # one frame stands behind the end
        mel = (self.filters.float() @ magnitude).clamp(min=PRETRAINED_FLOOR).log()
        return mel.transpose(1, 2)[:, None]

    def spectra(self, picture: Tensor) -> Tensor:
        """What the vocoder hears of a picture: (B, frames, bands)."""
        return picture[:, 0]

    def level(self, samples: Tensor) -> Tensor:
        centered = samples - samples.mean()
        return PEAK * centered / (centered.abs().max() + 1e-8)

    def grid(self, bands: int, frames: int) -> tuple[int, int]:
        """Height and width."""
        return (frames, bands)


def area_filters(bands: int, rate: int) -> Tensor:
    """(bands, 513), Slaney's mel filter bank: triangles of equal area, as librosa's are."""
    bank = mel_filter_bank(FFT // 2 + 1, bands, 0, rate / 2, rate, "slaney", "slaney")
    return torch.from_numpy(np.ascontiguousarray(bank.T)).float()

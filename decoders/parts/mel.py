"""Log-mel spectrograms as images for the audio decoder's VAE: those of mini and of AudioLDM.

AudioLDM's constants are those of its repository (Liu et al. 2023).
"""

from math import prod

import torch
from torch import Tensor, nn
from transformers import SpeechT5HifiGanConfig

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
PEAK = 0.5  # of every training sound of AudioLDM, whose mean is zero


class MelPictures(nn.Module):
    """Spectrograms as images of one channel: bands along the height, time along the width."""

    filters: Tensor
    rate, hop, bands = RATE, HOP, BANDS

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", slaney_filters(), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """(B, N) -> (B, 1, 64, N / 256) in about [-1, 1]."""
        return mel_to_picture(log_mel(samples, self.filters.float(), FLOOR, centered=False))

    def spectra(self, picture: Tensor) -> Tensor:
        """The vocoder's input, (B, 64, frames), from an image."""
        return mel_from_picture(picture)

    def level(self, samples: Tensor) -> Tensor:
        """The samples, with their loudness unchanged."""
        return samples

    def grid(self, bands: int, frames: int) -> tuple[int, int]:
        """Height and width of an image."""
        return (bands, frames)


class PretrainedMelPictures(nn.Module):
    """Those of AudioLDM: time along the height, bands along the width, with normalised loudness."""

    filters: Tensor

    def __init__(self, vocoder: SpeechT5HifiGanConfig) -> None:
        super().__init__()
        self.rate, self.bands = vocoder.sampling_rate, vocoder.model_in_dim
        self.hop = prod(vocoder.upsample_rates)
        filters = slaney_filters(self.bands, self.rate, norm="slaney")  # as librosa's
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """(B, N) -> (B, 1, N / hop, bands), log magnitude; N must be a multiple of the hop."""
        window = torch.hann_window(FFT, device=samples.device)
        spectrum = torch.stft(samples, FFT, self.hop, window=window, return_complex=True)
        magnitude = spectrum.abs()[:, :, :-1]  # the last frame lies beyond the end
        mel = (self.filters.float() @ magnitude).clamp(min=PRETRAINED_FLOOR).log()
        return mel.transpose(1, 2)[:, None]

    def spectra(self, picture: Tensor) -> Tensor:
        """The vocoder's input, (B, frames, bands), from an image."""
        return picture[:, 0]

    def level(self, samples: Tensor) -> Tensor:
        centered = samples - samples.mean()
        return PEAK * centered / (centered.abs().max() + 1e-8)

    def grid(self, bands: int, frames: int) -> tuple[int, int]:
        """Height and width of an image."""
        return (frames, bands)

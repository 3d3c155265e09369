"""A vocoder that works at frame rate, with an inverse-STFT head (Vocos, Siuzdak 2023)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anygen.numerics.audio import BANDS, FFT, HOP

LOSS_RESOLUTIONS = (256, 512, 1024, 2048)  # STFT sizes of the training loss


class Block(nn.Module):
    """ConvNeXt (Liu et al. 2022) along time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, 3 * width)
        self.contract = nn.Linear(3 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor) -> Tensor:  # (B, width, frames)
        y = self.norm(self.mix(x).transpose(1, 2))
        y = self.scale * self.contract(F.gelu(self.expand(y)))
        return x + y.transpose(1, 2)


class InverseSTFTVocoder(nn.Module):
    window: Tensor

    def __init__(self, width: int = 256, blocks: int = 6) -> None:
        super().__init__()
        self.stem = nn.Conv1d(BANDS, width, 7, padding=3)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, FFT + 2)  # log magnitude and phase of every bin
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)

    def forward(self, mel: Tensor) -> Tensor:
        """(B, 64, frames) -> (B, frames * 256)."""
        hidden = self.norm(self.blocks(self.stem(mel)).transpose(1, 2))
        magnitude, phase = self.head(hidden).float().transpose(1, 2).chunk(2, dim=1)
        spectrum = torch.polar(magnitude.clamp(max=7).exp(), phase)
        frames = torch.fft.irfft(spectrum, FFT, dim=1) * self.window[:, None]
        return self._overlap_add(frames)

    def _overlap_add(self, frames: Tensor) -> Tensor:
        """(B, FFT, frames) -> (B, frames * HOP), divided by the windows' summed squares."""
        length = (frames.shape[-1] - 1) * HOP + FFT
        squares = self.window.square()[:, None].expand(1, FFT, frames.shape[-1])
        total, norm = (
            F.fold(x, (1, length), (1, FFT), stride=(1, HOP))[:, 0, 0] for x in (frames, squares)
        )
        margin = (FFT - HOP) // 2
        return (total / norm.clamp(min=1e-3))[:, margin : length - margin]

    def loss(self, mel: Tensor, samples: Tensor) -> Tensor:
        """Multi-resolution STFT loss (Yamamoto et al. 2020, eq. 6), (B,)."""
        predicted = self(mel)
        terms = [stft_distance(predicted, samples, size) for size in LOSS_RESOLUTIONS]
        return torch.stack(terms).mean(0)


def stft_distance(predicted: Tensor, true: Tensor, size: int) -> Tensor:
    """Spectral convergence plus log-magnitude distance, (B,)."""
    window = torch.hann_window(size, device=predicted.device)
    predicted_magnitude, true_magnitude = (
        torch.stft(x, size, size // 4, window=window, return_complex=True).abs()
        for x in (predicted, true)
    )
    difference = (predicted_magnitude - true_magnitude).flatten(1).norm(dim=1)
    convergence = difference / true_magnitude.flatten(1).norm(dim=1).clamp(min=1e-3)
    logs = (predicted_magnitude.clamp(min=1e-4).log() - true_magnitude.clamp(min=1e-4).log()).abs()
    return convergence + logs.flatten(1).mean(1)

"""A VAE on pixel-unshuffled images, whose small grid makes it and the denoiser fast on a CPU."""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

MOMENTUM = 0.02  # of the running latent statistics
KL_WEIGHT = 1e-4  # keeps latents smooth; their scale is fixed by the running statistics


class PatchAutoencoder(nn.Module):
    """Images (B, channels, H, W) in [-1, 1] <-> latents of zero mean and unit variance.

    With `patch` 1 and `fold` 1 it is the plain AutoencoderKL of Stable Diffusion. `fold` rearranges
    the latents of a fine grid into more channels of a coarse one, so that the cost of a denoiser is
    that of the coarse grid.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, kl: AutoencoderKL, patch: int = 1, fold: int = 1) -> None:
        super().__init__()
        self.patch, self.fold, self.kl = patch, fold, kl
        self.register_buffer("mean", torch.zeros(self.channels))
        self.register_buffer("std", torch.ones(self.channels))

    @property
    def channels(self) -> int:
        """Channels of a latent."""
        return self.kl.config.latent_channels * self.fold**2

    @property
    def factor(self) -> int:
        """Pixels per latent along each side."""
        return self.patch * self.fold * 2 ** (len(self.kl.config.block_out_channels) - 1)

    def encode(self, pictures: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(B, channels, H, W) -> (B, C, H / factor, W / factor), the posterior's mean.

        With a `generator`, one sample of it.
        """
        patches = F.pixel_unshuffle(pictures, self.patch).to(self.kl.dtype)
        posterior = self.kl.encode(patches).latent_dist
        encoded = posterior.sample(generator) if generator else posterior.mean
        latents = F.pixel_unshuffle(encoded, self.fold)
        return (latents - self.mean[:, None, None]) / self.std[:, None, None]

    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, channels, H, W)."""
        latents = latents * self.std[:, None, None] + self.mean[:, None, None]
        decoded = self.kl.decode(F.pixel_shuffle(latents, self.fold).to(self.kl.dtype)).sample
        return F.pixel_shuffle(decoded, self.patch)

    def loss(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """Reconstruction plus KL, (B,). Updates the latent statistics."""
        posterior = self.kl.encode(F.pixel_unshuffle(pictures, self.patch)).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator).to(pictures.device)
        self._update_statistics(F.pixel_unshuffle(posterior.mean.detach(), self.fold))
        decoded = self.kl.decode(posterior.mean + posterior.std * noise).sample
        error = F.pixel_shuffle(decoded, self.patch).float() - pictures
        reconstruction = (error.abs() + error.square()).flatten(1).mean(1)
        return reconstruction + KL_WEIGHT * posterior.kl() / posterior.mean[0].numel()

    @torch.no_grad()
    def _update_statistics(self, latents: Tensor) -> None:
        variance, mean = torch.var_mean(latents.float(), (0, 2, 3))
        self.mean.lerp_(mean, MOMENTUM)
        self.std.lerp_(variance.sqrt(), MOMENTUM)


def new_autoencoder(
    channels: int, patch: int, fold: int, settings: dict[str, Any]
) -> PatchAutoencoder:
    """For images of `channels` channels; `settings` are those of AutoencoderKL."""
    width = channels * patch * patch
    return PatchAutoencoder(
        AutoencoderKL(in_channels=width, out_channels=width, **settings), patch, fold
    )

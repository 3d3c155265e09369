"""A VAE on pixel-unshuffled images, whose small grid makes it and the denoiser fast on a CPU."""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

MOMENTUM = 0.02  # of the running latent statistics
KL_WEIGHT = 1e-4  # keeps latents smooth; their scale is fixed by the running statistics
ENLARGER_WIDTH = 24


class Enlarger(nn.Module):
    """Images (B, C, H, W) -> (B, C, H * factor, W * factor): bicubic, and what that lacks.

    A small sub-pixel network (Shi et al. 2016) adds it. Untrained, it adds nothing.
    """

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.factor, width = factor, ENLARGER_WIDTH
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, channels * factor**2, 3, padding=1),
        )
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, images: Tensor) -> Tensor:
        enlarged = F.interpolate(images, scale_factor=self.factor, mode="bicubic")
        return enlarged + F.pixel_shuffle(self.layers(images), self.factor)


class PatchAutoencoder(nn.Module):
    """Images (B, channels, H, W) in [-1, 1] <-> latents of zero mean and unit variance.

    With `patch` and `fold` 1 it is the plain AutoencoderKL of Stable Diffusion. `fold` rearranges
    the latents of a fine grid into more channels of a coarse one, so that the cost of a denoiser is
    that of the coarse grid. `enlarge` divides the sides of the images that the encoder sees:
    latents that exist already can be drawn in a larger size.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, kl: AutoencoderKL, patch: int = 1, fold: int = 1, enlarge: int = 1) -> None:
        super().__init__()
        self.patch, self.fold, self.enlarge, self.kl = patch, fold, enlarge, kl
        channels = kl.config.out_channels // patch**2
        self.enlarger = Enlarger(channels, enlarge) if enlarge > 1 else None
        self.register_buffer("mean", torch.zeros(self.channels))
        self.register_buffer("std", torch.ones(self.channels))

    @property
    def channels(self) -> int:
        """Channels of a latent."""
        return self.kl.config.latent_channels * self.fold**2

    @property
    def factor(self) -> int:
        """Pixels per latent along each side."""
        shrinks = 2 ** (len(self.kl.config.block_out_channels) - 1)
        return self.enlarge * self.patch * self.fold * shrinks

    def encode(self, pictures: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(B, channels, H, W) -> (B, C, H / factor, W / factor), the posterior's mean.

        With a `generator`, one sample of it.
        """
        posterior = self.posterior(pictures)
        encoded = posterior.sample(generator) if generator else posterior.mean
        latents = F.pixel_unshuffle(encoded, self.fold)
        return (latents - self.mean[:, None, None]) / self.std[:, None, None]

    def posterior(self, pictures: Tensor) -> Any:
        small = F.avg_pool2d(pictures, self.enlarge) if self.enlarge > 1 else pictures
        return self.kl.encode(F.pixel_unshuffle(small, self.patch).to(self.kl.dtype)).latent_dist

    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, channels, H, W)."""
        latents = latents * self.std[:, None, None] + self.mean[:, None, None]
        return self.draw(F.pixel_shuffle(latents, self.fold).to(self.kl.dtype))

    def draw(self, encoded: Tensor) -> Tensor:
        """What the encoder made -> (B, channels, H, W)."""
        drawn = F.pixel_shuffle(self.kl.decode(encoded).sample, self.patch)
        return self.enlarger(drawn) if self.enlarger else drawn

    def loss(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """Reconstruction plus KL, (B,). Updates the latent statistics."""
        posterior = self.posterior(pictures)
        noise = torch.randn(posterior.mean.shape, generator=generator).to(pictures.device)
        self._update_statistics(F.pixel_unshuffle(posterior.mean.detach(), self.fold))
        error = self.draw(posterior.mean + posterior.std * noise).float() - pictures
        reconstruction = (error.abs() + error.square()).flatten(1).mean(1)
        return reconstruction + KL_WEIGHT * posterior.kl() / posterior.mean[0].numel()

    @torch.no_grad()
    def _update_statistics(self, latents: Tensor) -> None:
        variance, mean = torch.var_mean(latents.float(), (0, 2, 3))
        self.mean.lerp_(mean, MOMENTUM)
        self.std.lerp_(variance.sqrt(), MOMENTUM)


def new_autoencoder(
    channels: int, patch: int, fold: int, settings: dict[str, Any], enlarge: int = 1
) -> PatchAutoencoder:
    """For images of `channels` channels; `settings` are those of AutoencoderKL."""
    width = channels * patch * patch
    return PatchAutoencoder(
        AutoencoderKL(in_channels=width, out_channels=width, **settings), patch, fold, enlarge
    )

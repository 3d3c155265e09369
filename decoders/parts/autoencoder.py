"""A VAE on pixel-unshuffled images, whose small grid makes it and the denoiser fast on a CPU."""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import Decoder
from torch import Tensor, nn

MOMENTUM = 0.02  # of the running latent statistics
KL_WEIGHT = 1e-4  # keeps latents smooth; their scale is fixed by the running statistics


class PatchAutoencoder(nn.Module):
    """Images (B, channels, H, W) in [-1, 1] <-> latents of zero mean and unit variance.

    With `patch`, `fold` and `pool` 1 it is the plain AutoencoderKL of Stable Diffusion. `fold`
    rearranges the latents of a fine grid into more channels of a coarse one, so that the cost of a
    denoiser is that of the coarse grid. The encoder sees images whose sides are divided by `pool`:
    a decoder of larger images can learn to draw latents that exist already.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, kl: AutoencoderKL, patch: int = 1, fold: int = 1, pool: int = 1) -> None:
        super().__init__()
        self.patch, self.fold, self.pool, self.kl = patch, fold, pool, kl
        grows = 2 ** (len(kl.decoder.up_blocks) - 1)
        self.drawn_patch = self.factor // (fold * grows)  # pixels per side of a decoder's cell
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
        return self.pool * self.patch * self.fold * shrinks

    def encode(self, pictures: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(B, channels, H, W) -> (B, C, H / factor, W / factor), the posterior's mean.

        With a `generator`, one sample of it.
        """
        posterior = self.posterior(pictures)
        encoded = posterior.sample(generator) if generator else posterior.mean
        latents = F.pixel_unshuffle(encoded, self.fold)
        return (latents - self.mean[:, None, None]) / self.std[:, None, None]

    def posterior(self, pictures: Tensor) -> Any:
        pooled = F.avg_pool2d(pictures, self.pool) if self.pool > 1 else pictures
        return self.kl.encode(F.pixel_unshuffle(pooled, self.patch).to(self.kl.dtype)).latent_dist

    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, channels, H, W)."""
        latents = latents * self.std[:, None, None] + self.mean[:, None, None]
        return self.draw(F.pixel_shuffle(latents, self.fold).to(self.kl.dtype))

    def draw(self, encoded: Tensor) -> Tensor:
        """What the encoder made -> (B, channels, H, W)."""
        return F.pixel_shuffle(self.kl.decode(encoded).sample, self.drawn_patch)

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
    channels: int,
    patch: int,
    fold: int,
    settings: dict[str, Any],
    pool: int = 1,
    decoder: dict[str, Any] | None = None,
) -> PatchAutoencoder:
    """For images of `channels` channels; `settings` are those of diffusers' AutoencoderKL.

    `decoder` are those of its Decoder, where it is not the mirror image of the encoder. Raises
    ValueError if it has fewer resolutions than the encoder, or draws less than a pixel.
    """
    drawn = patch * pool
    kl = AutoencoderKL(
        in_channels=channels * patch**2, out_channels=channels * drawn**2, **settings
    )
    if decoder:
        grows = 2 ** (len(decoder["block_out_channels"]) - len(kl.config.block_out_channels))
        if drawn % grows:
            raise ValueError(
                f"vae_decoder: block_out_channels: it must have as many resolutions as vae, or "
                f"more by a power of two that divides patch times pool, {drawn}"
            )
        kl.decoder = Decoder(
            in_channels=kl.config.latent_channels,
            out_channels=channels * int(drawn // grows) ** 2,
            **decoder,
        )
    return PatchAutoencoder(kl, patch, fold, pool)

"""Training through the denoiser of a diffusers pipeline, for families with a simple call.

B rows; latents are (B, C, h, w).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from decoders.parts.latent_diffusion import Predict, denoising_loss, rowwise
from decoders.parts.pipelines.families import PipelineParts, Text


@dataclass(frozen=True)
class Training:
    """How the denoiser of a family is trained: one row of TRAININGS."""

    # (parts, noisy latents, timesteps (B,), condition) -> the denoiser's prediction
    predict: Callable[[PipelineParts, Tensor, Tensor, Text], Tensor]
    # (autoencoder, images (B, 3, H, W) in [-1, 1]) -> latents as the denoiser expects them
    encode: Callable[[Any, Tensor], Tensor]
    flow: bool = False  # trained by flow matching, not with the noise levels of its scheduler


def predict_sdxl(parts: PipelineParts, latents: Tensor, timesteps: Tensor, text: Text) -> Tensor:
    """With the size conditions of an uncropped image (Podell et al. 2023, section 2.2)."""
    factor = 2 ** (len(parts["vae"].config.block_out_channels) - 1)
    height, width = (side * factor for side in latents.shape[-2:])
    sizes = latents.new_tensor([height, width, 0, 0, height, width]).expand(len(latents), -1)
    more = {"text_embeds": text.pooled, "time_ids": sizes}
    return parts["unet"](latents, timesteps, text.tokens, added_cond_kwargs=more).sample


def predict_sd3(parts: PipelineParts, latents: Tensor, timesteps: Tensor, text: Text) -> Tensor:
    return parts["transformer"](
        latents, text.tokens, pooled_projections=text.pooled, timestep=timesteps
    ).sample


def predict_pixart(parts: PipelineParts, latents: Tensor, timesteps: Tensor, text: Text) -> Tensor:
    """The noise; the network also predicts its variance."""
    both = parts["transformer"](
        latents,
        encoder_hidden_states=text.tokens,
        encoder_attention_mask=text.mask,
        timestep=timesteps,
        added_cond_kwargs={"resolution": None, "aspect_ratio": None},
    ).sample
    return both[:, : latents.shape[1]]


def predict_sana(parts: PipelineParts, latents: Tensor, timesteps: Tensor, text: Text) -> Tensor:
    transformer = parts["transformer"]
    return transformer(
        latents,
        encoder_hidden_states=text.tokens,
        encoder_attention_mask=text.mask,
        timestep=timesteps * transformer.config.timestep_scale,
    ).sample


def encode_gaussian(vae: Any, pictures: Tensor) -> Tensor:
    """The mean of the latents, shifted and scaled as the autoencoder's config says."""
    latents = vae.encode(pictures).latent_dist.mode()
    return (latents - (vae.config.shift_factor or 0)) * vae.config.scaling_factor


def encode_deterministic(vae: Any, pictures: Tensor) -> Tensor:
    """For an autoencoder without variance (DC-AE, Chen et al. 2024)."""
    return vae.encode(pictures).latent * vae.config.scaling_factor


TRAININGS: dict[str, Training] = {
    "StableDiffusionXLPipeline": Training(predict_sdxl, encode_gaussian),
    "StableDiffusion3Pipeline": Training(predict_sd3, encode_gaussian, flow=True),
    "PixArtSigmaPipeline": Training(predict_pixart, encode_gaussian),
    "SanaPipeline": Training(predict_sana, encode_deterministic, flow=True),
}


def pipeline_loss(
    training: Training,
    parts: PipelineParts,
    latents: Tensor,
    noise: Tensor,
    text: Text,
    generators: Sequence[torch.Generator],
) -> Tensor:
    """Mean squared error per row, (B,), to the target that the denoiser was trained with."""

    def predict(noisy: Tensor, timesteps: Tensor, _: Tensor) -> Tensor:
        return training.predict(parts, noisy, timesteps, text)

    if training.flow:
        return flow_loss(predict, latents, noise, text.tokens, generators)
    scheduler = DDIMScheduler.from_config(parts["scheduler"].config)  # the noise levels
    return denoising_loss(predict, scheduler, latents, noise, text.tokens, generators)


def flow_loss(
    predict: Predict,
    latents: Tensor,
    noise: Tensor,  # of the latents' shape
    conditions: Tensor,
    generators: Sequence[torch.Generator],
) -> Tensor:
    """Rectified flow: a straight line from data to noise (Esser et al. 2024, eq. 13 and 19)."""
    drawn = torch.cat([torch.randn(1, generator=g) for g in generators]).sigmoid()
    times = drawn.to(latents.device)
    share = rowwise(times, latents).to(latents)
    noisy = (1 - share) * latents + share * noise
    prediction = predict(noisy, 1000 * times, conditions)
    return (prediction.float() - (noise - latents).float()).square().flatten(1).mean(1)

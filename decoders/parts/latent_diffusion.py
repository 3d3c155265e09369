"""The one diffusion loop behind every latent-diffusion decoder: loss, guidance, sampling.

Shapes: B rows, T condition tokens, W condition width; latents are (B, C, ...) of any rank.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from decoders.base import Cancelled, CancelledError, OnStep, SampleOptions

# (noisy latents (B, C, ...), timesteps (B,), condition (B, T, W)) -> the model's prediction
Predict = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Plan:
    """How to sample. Guidance as Ho and Salimans 2022, eq. 6; scale 1 runs no second branch."""

    steps: int
    guidance: float
    unconditional: Tensor  # (1, T, W), the condition of the empty caption
    on_step: OnStep
    cancelled: Cancelled


def denoising_loss(
    predict: Predict,
    scheduler: DDIMScheduler,
    latents: Tensor,
    noise: Tensor,  # of the latents' shape
    conditions: Tensor,
    generators: Sequence[torch.Generator],
) -> Tensor:
    """Mean squared error per row, (B,), to the scheduler's own target (noise or velocity)."""
    last = scheduler.config.num_train_timesteps
    timesteps = torch.cat([torch.randint(0, last, (1,), generator=g) for g in generators])
    timesteps = timesteps.to(latents.device)
    noisy = scheduler.add_noise(latents, noise, timesteps)
    prediction = predict(noisy, timesteps, conditions)
    target = training_target(scheduler, latents, noise, timesteps)
    return (prediction.float() - target).square().flatten(1).mean(1)


def training_target(
    scheduler: DDIMScheduler, latents: Tensor, noise: Tensor, timesteps: Tensor
) -> Tensor:
    kind = scheduler.config.prediction_type
    if kind == "epsilon":
        return noise
    if kind == "v_prediction":  # Salimans and Ho 2022, appendix D
        return scheduler.get_velocity(latents, noise, timesteps)
    return latents  # "sample"


@torch.no_grad()
def sample_latents(
    predict: Predict,
    scheduler: DPMSolverMultistepScheduler,
    start: Tensor,  # (B, C, ...) standard normal
    conditions: Tensor,  # (B, T, W)
    plan: Plan,
) -> Tensor:
    """Latents after `plan.steps` denoising steps. Raises CancelledError."""
    scheduler.set_timesteps(plan.steps, device=start.device)
    latents = start * scheduler.init_noise_sigma
    for index, timestep in enumerate(scheduler.timesteps):
        if plan.cancelled():
            raise CancelledError
        scaled = scheduler.scale_model_input(latents, timestep)
        prediction = predict_guided(predict, scaled, timestep, conditions, plan)
        latents = scheduler.step(prediction, timestep, latents).prev_sample
        plan.on_step(index + 1, plan.steps)
    return latents


def predict_guided(
    predict: Predict, latents: Tensor, timestep: Tensor, conditions: Tensor, plan: Plan
) -> Tensor:
    rows = latents.shape[0]
    if plan.guidance == 1:
        return predict(latents, timestep.expand(rows), conditions)
    both = torch.cat([plan.unconditional.expand_as(conditions), conditions])
    prediction = predict(torch.cat([latents, latents]), timestep.expand(2 * rows), both)
    unconditional, conditional = prediction.chunk(2)
    return unconditional + plan.guidance * (conditional - unconditional)


def normal_rows(
    shape: Sequence[int], generators: Sequence[torch.Generator], like: Tensor
) -> Tensor:
    """Standard normal noise (B, *shape), each row from its own CPU generator."""
    rows = [torch.randn(tuple(shape), generator=generator) for generator in generators]
    return torch.stack(rows).to(like.device)


def seeded(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def solver(scheduler: DDIMScheduler) -> DPMSolverMultistepScheduler:
    """DPM-Solver++ (Lu et al. 2022) for the noise schedule that the model was trained with."""
    return DPMSolverMultistepScheduler.from_config(scheduler.config)


def make_plan(
    decoder: Any,
    scheduler: DDIMScheduler,
    options: SampleOptions,
    on_step: OnStep,
    cancelled: Cancelled,
) -> Plan:
    """The request's options over the decoder's own defaults. Raises ValueError."""
    steps, trained = options.steps or decoder.config.steps, scheduler.config.num_train_timesteps
    if steps >= trained:  # the solver would meet the same noise level twice
        raise ValueError(
            f"{steps} denoising steps are too many: the decoder learned {trained} noise levels; "
            f"ask for {trained - 1} or fewer"
        )
    with torch.no_grad():
        unconditional = decoder.caption_condition([""])
    return Plan(
        steps=steps,
        guidance=decoder.config.guidance if options.guidance is None else options.guidance,
        unconditional=unconditional,
        on_step=on_step,
        cancelled=cancelled,
    )

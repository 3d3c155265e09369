"""The diffusion loop of all latent-diffusion decoders: loss, guidance, sampling.

B rows, T condition tokens, W condition width; latents are (B, C, ...) of any rank.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    UniPCMultistepScheduler,
)
from torch import Tensor

from decoders.base import (
    Cancelled,
    CancelledError,
    OnStep,
    RenderRequest,
    SampleOptions,
    SchedulerName,
    unconditional,
)
from decoders.parts.sampling import Sampler

# (noisy latents (B, C, ...), timesteps (B,), condition (B, T, W)) -> the model's prediction
Predict = Callable[[Tensor, Tensor, Tensor], Tensor]

# DDIM (Song et al. 2021) is the first order of DPM-Solver++ (Lu et al. 2022, section 4). The
# DDIMScheduler of diffusers skips noise levels if their number is not a multiple of the steps, and
# clips latents at 1 by default.
SOLVERS: dict[SchedulerName, tuple[Any, dict[str, Any]]] = {
    "dpm++": (DPMSolverMultistepScheduler, {}),
    "ddim": (DPMSolverMultistepScheduler, {"solver_order": 1}),
    "euler": (EulerDiscreteScheduler, {}),
    "unipc": (UniPCMultistepScheduler, {}),
}


FromLatents = Callable[[Tensor], Sequence[Any]]  # (B, C, ...) -> one medium per row


class LoopDefaults(Protocol):
    """The settings of a decoder that apply where a request has None."""

    steps: int
    solver: SchedulerName
    guidance: float


class LatentDecoder(Sampler):
    """What the loop needs of a decoder, and what all decoders that use it share."""

    config: LoopDefaults
    scheduler: DDIMScheduler  # the noise levels and the target that the denoiser was trained with
    predict: Predict
    shape: Callable[[SampleOptions], tuple[int, ...]]  # of the latents of one row, (C, ...)
    # (media, options) -> (B, *shape(options)), from media of any size, rate and length
    to_latents: Callable[..., Tensor]
    # Whether `init_media` are encoded by a sample of the VAE's posterior, drawn before the noise by
    # a generator that `to_latents` is given, as in diffusers' pipelines; else by its mean.
    samples_posterior: bool = False

    def encode_prompt(self, captions: Sequence[str]) -> Tensor:
        conditions: Tensor = self.text_encoder(captions)
        return conditions

    def batch_key(self, request: RenderRequest) -> "BatchKey":
        return batch_key(self, request)

    def noise(self, shape: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
        """(B, *shape) on the CPU, each row from its own generator."""
        return normal_rows(shape, generators)

    def loss(
        self, media: Sequence[Any], conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        return self.latent_loss(self.to_latents(media), conditions, generators)

    def latent_loss(
        self, latents: Tensor, conditions: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        noise = self.noise(latents.shape[1:], generators).to(latents.device)
        return denoising_loss(self.predict, self.scheduler, latents, noise, conditions, generators)


@dataclass(frozen=True)
class BatchKey:
    """What all requests of a batch share: the shapes and the steps."""

    scheduler: SchedulerName
    steps: int
    skipped: int  # of the steps; init_media takes their place
    guided: bool  # whether the network runs on a second branch
    shape: tuple[int, ...]  # of a row's latents


@dataclass(frozen=True)
class Guide:
    """The network's conditions. Guidance as in Ho and Salimans 2022, eq. 6."""

    prompt_embeds: Tensor  # (B, T, W)
    negative_prompt_embeds: Tensor | None  # (B, T, W); None runs no second branch
    scale: Tensor  # (B,)


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


def clean_latents(
    scheduler: DDIMScheduler, noisy: Tensor, prediction: Tensor, timesteps: Tensor
) -> Tensor:
    """The latents (B, C, ...) without noise that a prediction amounts to."""
    signal, sigma = levels(scheduler, timesteps, noisy)
    kind = scheduler.config.prediction_type
    if kind == "epsilon":
        return (noisy - sigma * prediction) / signal
    if kind == "v_prediction":
        return signal * noisy - sigma * prediction
    return prediction  # "sample"


def prediction_of(
    scheduler: DDIMScheduler, noisy: Tensor, clean: Tensor, timesteps: Tensor
) -> Tensor:
    """The prediction that amounts to these latents: the inverse of `clean_latents`."""
    signal, sigma = levels(scheduler, timesteps, noisy)
    kind = scheduler.config.prediction_type
    if kind == "epsilon":
        return (noisy - signal * clean) / sigma
    if kind == "v_prediction":
        return (signal * noisy - clean) / sigma
    return clean  # "sample"


def levels(scheduler: DDIMScheduler, timesteps: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """The shares of signal and noise (B, 1, ...) in noisy latents."""
    squares = scheduler.alphas_cumprod.to(like.device)[timesteps.long()]
    return rowwise(squares.sqrt(), like), rowwise((1 - squares).sqrt(), like)


@torch.no_grad()
def sample_latents(
    decoder: LatentDecoder,
    requests: Sequence[RenderRequest],
    on_step: OnStep,
    cancelled: Cancelled,
    from_latents: FromLatents | None = None,
) -> Tensor:
    """Clean latents (B, C, ...) of requests that are checked. Raises CancelledError.

    `from_latents` makes the previews of a decoder that can show some.
    """
    key = batch_key(decoder, requests[0])
    guide = make_guide(decoder, requests)
    solver = make_solver(decoder.scheduler, key.scheduler)
    set_steps(solver, key.steps, guide.prompt_embeds.device)
    latents = first_latents(decoder, requests, key, solver)
    timesteps = solver.timesteps[key.skipped :]
    for index, timestep in enumerate(timesteps):
        if cancelled():
            raise CancelledError
        scaled = solver.scale_model_input(latents, timestep)
        prediction = predict_guided(decoder.predict, scaled, timestep, guide)
        latents = solver.step(prediction, timestep, latents).prev_sample
        on_step(index + 1, len(timesteps))
        shown = [is_previewed(request, index + 1, len(timesteps)) for request in requests]
        if from_latents and any(shown):
            now = timestep.expand(len(requests))
            clean = clean_latents(decoder.scheduler, scaled, prediction, now)
            show(from_latents, requests, clean, shown)
    return latents


def is_previewed(request: RenderRequest, step: int, total: int) -> bool:
    """Whether the medium is shown after that step: at 1/3 and 2/3 of them for two previews."""
    parts = request.previews + 1
    return step < total and step in {round(total * part / parts) for part in range(1, parts)}


def show(
    from_latents: FromLatents,
    requests: Sequence[RenderRequest],
    clean: Tensor,
    shown: Sequence[bool],
) -> None:
    """Shows rows of latents (B, C, ...); one that is not finite is skipped, and spoils nothing."""
    for request, row, is_shown in zip(requests, clean, shown, strict=True):
        if is_shown:
            with suppress(ValueError):
                [medium] = from_latents(row[None])
                request.on_preview(medium)


def batch_key(decoder: LatentDecoder, request: RenderRequest) -> BatchKey:
    options = request.options
    steps = options.steps or decoder.config.steps
    run = steps if request.init_media is None else max(int(steps * request.strength), 1)
    return BatchKey(
        scheduler=options.scheduler or decoder.config.solver,
        steps=steps,
        skipped=steps - run,
        guided=guidance_of(decoder, options) != 1,
        shape=decoder.shape(options),
    )


def guidance_of(decoder: LatentDecoder, options: SampleOptions) -> float:
    return decoder.config.guidance if options.guidance is None else options.guidance


def check_steps_and_guidance(decoder: LatentDecoder, options: SampleOptions) -> None:
    """Raises ValueError for more steps than noise levels, and for a negative without guidance."""
    trained = decoder.scheduler.config.num_train_timesteps
    if options.steps is not None and options.steps >= trained:  # a level would repeat
        raise ValueError(
            f"steps: {options.steps} denoising steps are too many: the decoder learned {trained} "
            f"noise levels; ask for {trained - 1} or fewer"
        )
    if options.negative and guidance_of(decoder, options) == 1:
        raise ValueError(
            "negative: only guidance leads away from it; ask for a guidance other than 1"
        )


def make_guide(decoder: LatentDecoder, requests: Sequence[RenderRequest]) -> Guide:
    prompt_embeds = torch.stack([request.condition for request in requests])
    scales = [guidance_of(decoder, request.options) for request in requests]
    scale = torch.tensor(scales, device=prompt_embeds.device)
    if (scale == 1).all():
        return Guide(prompt_embeds, None, scale)
    negatives = negative_conditions(requests, lambda text: unconditional(decoder, text)[0])
    return Guide(prompt_embeds, negatives, scale)


def negative_conditions(
    requests: Sequence[RenderRequest], encode: Callable[[str], Tensor]
) -> Tensor:
    """What guidance leads away from, (B, T, W) or flat; `encode` is called once for each text."""
    encoded: dict[str, Tensor] = {}
    rows = []
    for request in requests:
        condition, text = request.negative_condition, request.options.negative or ""
        if condition is None and text not in encoded:
            encoded[text] = encode(text)
        rows.append(encoded[text] if condition is None else condition)
    return torch.stack(rows)


def predict_guided(predict: Predict, latents: Tensor, timestep: Tensor, guide: Guide) -> Tensor:
    """The network has the conditions' precision; latents and the result are float32."""
    rows, latents = latents.shape[0], latents.to(guide.prompt_embeds.dtype)
    if guide.negative_prompt_embeds is None:
        return predict(latents, timestep.expand(rows), guide.prompt_embeds).float()
    conditions = torch.cat([guide.negative_prompt_embeds, guide.prompt_embeds])
    doubled = torch.cat([latents, latents])
    prediction = predict(doubled, timestep.expand(2 * rows), conditions).float()
    negative, positive = prediction.chunk(2)
    return negative + rowwise(guide.scale, positive) * (positive - negative)


def rowwise(numbers: Tensor, like: Tensor) -> Tensor:
    """(B,) -> (B, 1, ...) with as many dimensions as `like`."""
    return numbers.view(-1, *[1] * (like.ndim - 1))


def first_latents(
    decoder: LatentDecoder, requests: Sequence[RenderRequest], key: BatchKey, solver: Any
) -> Tensor:
    """Noise, or `init_media` with as much noise as the first step that runs expects."""
    generators = seeded([request.seed for request in requests])
    device, init = requests[0].condition.device, []
    if key.skipped and decoder.samples_posterior:
        init = [
            decoder.to_latents([r.init_media], r.options, g) for r, g in zip(requests, generators)
        ]
    noise = decoder.noise(key.shape, generators).to(device)
    if key.skipped == 0:
        return noise * solver.init_noise_sigma
    init = init or [decoder.to_latents([r.init_media], r.options) for r in requests]
    timestep = solver.timesteps[key.skipped]
    return solver.add_noise(torch.cat(init), noise, timestep.expand(len(requests)))


def make_solver(scheduler: DDIMScheduler, name: SchedulerName) -> Any:
    """For the noise levels and the target that the model was trained with."""
    solver, settings = SOLVERS[name]
    return solver.from_config(scheduler.config, **settings)


def set_steps(solver: Any, steps: int, device: torch.device) -> None:
    """Integer timesteps, evenly spaced from the last: Euler's are fractional or miscounted."""
    if not isinstance(solver, EulerDiscreteScheduler):
        return solver.set_timesteps(steps, device=device)
    last = solver.config.num_train_timesteps - 1
    timesteps = torch.linspace(last, 0, steps + 1, dtype=torch.float64)[:-1].round()
    return solver.set_timesteps(timesteps=timesteps.tolist(), device=device)


def normal_rows(shape: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
    """Standard normal noise (B, *shape), each row from its own CPU generator."""
    return torch.stack([torch.randn(tuple(shape), generator=g) for g in generators])


def seeded(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]

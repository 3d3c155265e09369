"""The diffusion loss, guidance and sampling against closed forms and diffusers' own pipeline."""

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from anygen.config import CONFIGS
from decoders import stable_diffusion
from decoders.base import SampleOptions, never, no_progress
from decoders.parts import latent_diffusion as diffusion

LATENTS = (4, 6, 6)


def generators(rows):
    return [torch.Generator().manual_seed(seed) for seed in range(rows)]


def knowing(scheduler, latents, prediction_type):
    """A predictor that knows the clean latents x: noisy = a x + s e, so e = (noisy - a x) / s."""

    def predict(noisy, timesteps, _):
        square = scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
        a, s = square.sqrt(), (1 - square).sqrt()
        noise = (noisy - a * latents) / s
        answers = {
            "epsilon": noise,
            "v_prediction": a * noise - s * latents,  # Salimans and Ho 2022, appendix D
            "sample": latents,
        }
        return answers[prediction_type]

    return predict


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_who_knows_the_answer_has_no_loss(kind):
    scheduler = DDIMScheduler(prediction_type=kind)
    latents = torch.randn(5, *LATENTS, generator=torch.Generator().manual_seed(9))
    predict = knowing(scheduler, latents, kind)
    losses = diffusion.denoising_loss(
        predict, scheduler, latents, torch.randn_like(latents), latents, generators(5)
    )
    torch.testing.assert_close(losses, torch.zeros(5), atol=1e-4, rtol=0)


def test_the_loss_is_the_mean_square_of_each_rows_own_error():
    scheduler = DDIMScheduler(prediction_type="epsilon")
    latents = torch.randn(5, *LATENTS)
    truth = knowing(scheduler, latents, "epsilon")
    errors = torch.arange(5.0)

    def wrong(noisy, timesteps, condition):
        return truth(noisy, timesteps, condition) + errors.view(-1, 1, 1, 1)

    losses = diffusion.denoising_loss(
        wrong, scheduler, latents, torch.randn_like(latents), latents, generators(5)
    )
    torch.testing.assert_close(losses, errors.square(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("guidance", [0.5, 2.0, 7.5])
def test_guidance_goes_beyond_the_condition_away_from_no_condition(guidance):
    def predict(latents, timesteps, condition):
        return latents * 0.5 + condition.mean((1, 2)).view(-1, 1, 1, 1)

    latents, conditions = torch.randn(2, *LATENTS), torch.randn(2, 3, 8)
    plan = diffusion.Plan(1, guidance, torch.randn(1, 3, 8), no_progress, never)
    guided = diffusion.predict_guided(predict, latents, torch.tensor(5), conditions, plan)
    without, within = plan.unconditional.mean(), conditions.mean((1, 2))
    expected = latents * 0.5 + (without + guidance * (within - without)).view(-1, 1, 1, 1)
    torch.testing.assert_close(guided, expected)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@torch.no_grad()
def test_sampling_is_that_of_diffusers_own_pipeline(guidance):
    decoder = plain_decoder()
    conditions = decoder.caption_condition(["a red cat", "a blue ball"])
    empty = decoder.caption_condition([""]).expand_as(conditions)
    start = diffusion.normal_rows(decoder.latent_shape, generators(2), conditions)
    options = SampleOptions(6, guidance)
    plan = diffusion.make_plan(decoder, decoder.scheduler, options, no_progress, never)
    solver = diffusion.solver(decoder.scheduler)
    ours = diffusion.sample_latents(decoder.predict, solver, start, conditions, plan)
    pipeline = StableDiffusionPipeline(
        vae=decoder.vae.kl,
        text_encoder=None,
        tokenizer=None,
        unet=decoder.unet,
        scheduler=diffusion.solver(decoder.scheduler),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt_embeds=conditions,
        negative_prompt_embeds=empty,
        latents=start,
        num_inference_steps=6,
        guidance_scale=guidance,
        output_type="latent",
    ).images
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def plain_decoder():
    """Stable Diffusion as published: its text goes to cross-attention alone, one step of offset."""
    tiny = stable_diffusion.TINY
    config = tiny.model_copy(
        update={
            "unet": {**tiny.unet, "time_cond_proj_dim": None},
            "layout": None,
            "scheduler": {
                "beta_schedule": "scaled_linear",
                "steps_offset": 1,
                "clip_sample": False,
            },
        }
    )
    torch.manual_seed(0)
    return stable_diffusion.build(config, CONFIGS / "tiny").eval()


@torch.no_grad()
def test_from_latents_undoes_the_scaling_of_to_latents():
    vae = plain_decoder().vae
    pictures = torch.rand(2, 3, 16, 16) * 2 - 1
    before = vae.decode(vae.encode(pictures))
    vae.mean.copy_(torch.tensor([0.5, -1, 2, 0]))
    vae.std.copy_(torch.tensor([0.5, 2, 3, 1]))
    torch.testing.assert_close(vae.decode(vae.encode(pictures)), before, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_latent_statistics_approach_those_of_the_data():
    vae = plain_decoder().vae
    pictures = torch.rand(2, 3, 16, 16) * 2 - 1
    for step in range(300):
        vae.loss(pictures, torch.Generator().manual_seed(step))
    latents = vae.encode(pictures)
    std, mean = torch.std_mean(latents, (0, 2, 3))
    torch.testing.assert_close(mean, torch.zeros(4), atol=0.05, rtol=0)
    torch.testing.assert_close(std, torch.ones(4), atol=0.05, rtol=0)

"""The diffusion loss, guidance and sampling against closed forms and diffusers' own pipeline."""

from dataclasses import replace

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
)
from torch.nn.functional import pixel_unshuffle

from anygen.config.loader import CONFIGS
from anygen.core.media import Image
from decoders import stable_diffusion
from decoders.base import RenderRequest, SampleOptions, never, no_progress
from decoders.parts import latent_diffusion as diffusion

LATENTS = (4, 6, 6)


def generators(rows):
    return [torch.Generator().manual_seed(seed) for seed in range(rows)]


def knowing(scheduler, latents, prediction_type):
    """A predictor that knows the clean latents x: noisy = a x + s e, so e = (noisy - a x) / s."""

    def predict(noisy, timesteps, _):
        square = scheduler.alphas_cumprod[timesteps.long()].view(-1, 1, 1, 1)
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


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_a_prediction_amounts_to_clean_latents_and_they_to_it(kind):
    scheduler = DDIMScheduler(prediction_type=kind)
    latents, noise = torch.randn(2, 4, *LATENTS, generator=torch.Generator().manual_seed(9))
    timesteps = torch.tensor([5, 300, 600, 900])
    noisy = scheduler.add_noise(latents, noise, timesteps)
    prediction = knowing(scheduler, latents, kind)(noisy, timesteps, None)
    clean = diffusion.clean_latents(scheduler, noisy, prediction, timesteps)
    torch.testing.assert_close(clean, latents, atol=1e-3, rtol=0)
    back = diffusion.prediction_of(scheduler, noisy, clean, timesteps)
    torch.testing.assert_close(back, prediction, atol=1e-3, rtol=0)


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
    scale = torch.tensor([guidance, 3.0])  # every row has its own
    guide = diffusion.Guide(conditions, torch.randn(2, 3, 8), scale)
    guided = diffusion.predict_guided(predict, latents, torch.tensor(5), guide)
    without, within = guide.negative_prompt_embeds.mean((1, 2)), conditions.mean((1, 2))
    expected = latents * 0.5 + (without + scale * (within - without)).view(-1, 1, 1, 1)
    torch.testing.assert_close(guided, expected)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("scheduler", ["dpm++", "unipc"])
@torch.no_grad()
def test_sampling_is_that_of_diffusers_own_pipeline(guidance, scheduler):
    decoder = plain_decoder()
    conditions = decoder.encode_prompt(["a red cat", "a blue ball"])
    options = SampleOptions(steps=6, guidance=guidance, scheduler=scheduler)
    requests = [
        RenderRequest(condition, seed, options) for seed, condition in enumerate(conditions)
    ]
    ours = diffusion.sample_latents(decoder, requests, no_progress, never)
    theirs = pipeline_of(StableDiffusionPipeline, decoder, scheduler)(
        prompt_embeds=conditions,
        negative_prompt_embeds=decoder.encode_prompt([""]).expand_as(conditions),
        latents=diffusion.normal_rows(decoder.latent_shape, generators(2)),
        num_inference_steps=6,
        guidance_scale=guidance,
        output_type="latent",
    ).images
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_sampled_posterior_is_that_of_diffusers_own_pipeline():
    """The sample is drawn from the generator of the noise, and before it."""
    decoder = plain_decoder()
    decoder.vae.std.fill_(1 / decoder.vae.kl.config.scaling_factor)  # as published ones have it
    picture = Image(torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8))
    condition = decoder.encode_prompt(["a red cat"])
    options = SampleOptions(steps=10, guidance=4.0, scheduler="dpm++")
    request = RenderRequest(condition[0], 0, options, picture, 0.3)
    mean = diffusion.sample_latents(decoder, [request], no_progress, never)
    decoder.samples_posterior = True
    ours = diffusion.sample_latents(decoder, [request], no_progress, never)
    theirs = pipeline_of(StableDiffusionImg2ImgPipeline, decoder, "dpm++")(
        image=pixel_unshuffle(picture.pixels[None] / 255, decoder.vae.patch),
        generator=generators(1)[0],
        strength=0.31,
        prompt_embeds=condition,
        negative_prompt_embeds=decoder.encode_prompt([""]),
        num_inference_steps=10,
        guidance_scale=4.0,
        output_type="latent",
    ).images
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert (ours - mean).abs().max() > 1e-2


@torch.no_grad()
def test_guidance_leads_away_from_a_given_condition_as_from_its_text():
    decoder = plain_decoder()
    condition, negative = decoder.encode_prompt(["a red cat", "a blue ball"])
    plain = RenderRequest(condition, 0, SampleOptions(steps=2, guidance=4.0))
    by_text = replace(plain, options=SampleOptions(steps=2, guidance=4.0, negative="a blue ball"))
    given = replace(plain, negative_condition=negative)
    rows = [
        diffusion.sample_latents(decoder, [request], no_progress, never)
        for request in (given, by_text, plain)
    ]
    torch.testing.assert_close(rows[0], rows[1])
    assert (rows[0] - rows[2]).abs().max() > 1e-3


@pytest.mark.parametrize("scheduler", ["dpm++", "unipc"])
@pytest.mark.parametrize(("strength", "skipped"), [(0.01, 9), (0.3, 7), (0.75, 3)])
@torch.no_grad()
def test_a_start_is_noised_and_denoised_as_in_diffusers_own_pipeline(scheduler, strength, skipped):
    decoder = plain_decoder()
    picture = Image(torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8))
    condition = decoder.encode_prompt(["a red cat"])
    options = SampleOptions(steps=10, guidance=4.0, scheduler=scheduler)
    request = RenderRequest(condition[0], 0, options, picture, strength)
    ours = diffusion.sample_latents(decoder, [request], no_progress, never)
    pipeline = pipeline_of(StableDiffusionImg2ImgPipeline, decoder, scheduler)
    theirs = pipeline(
        image=decoder.to_latents([picture]),  # four channels are latents already
        generator=generators(1)[0],
        strength=(10 - skipped) / 10 + 0.01,  # which runs no step where ours runs one
        prompt_embeds=condition,
        negative_prompt_embeds=decoder.encode_prompt([""]),
        num_inference_steps=10,
        guidance_scale=4.0,
        output_type="latent",
    ).images
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("scheduler", list(diffusion.SOLVERS))
def test_a_preview_is_what_the_network_expects_at_the_end(scheduler, monkeypatch):
    decoder, seen = plain_decoder(), []
    clean = torch.randn(1, *decoder.latent_shape, generator=torch.Generator().manual_seed(9))
    kind = decoder.scheduler.config.prediction_type
    monkeypatch.setattr(decoder, "predict", knowing(decoder.scheduler, clean, kind))
    options = SampleOptions(steps=9, guidance=1.0, scheduler=scheduler)
    condition = torch.zeros(decoder.condition_spec.tokens, decoder.condition_spec.width)
    request = RenderRequest(condition, 0, options, previews=3, on_preview=seen.append)
    diffusion.sample_latents(decoder, [request], no_progress, never, lambda latents: [latents[0]])
    assert len(seen) == 3
    for latents in seen:
        torch.testing.assert_close(latents, clean[0], atol=1e-3, rtol=0)


def test_a_preview_that_is_not_finite_spoils_nothing():
    decoder = plain_decoder()

    def fail(_):
        raise ValueError("not finite")

    condition = torch.zeros(decoder.condition_spec.tokens, decoder.condition_spec.width)
    plain = RenderRequest(condition, 0, SampleOptions(steps=3))
    shown = replace(plain, previews=2)
    made = [
        diffusion.sample_latents(decoder, [request], no_progress, never, fail)
        for request in (plain, shown)
    ]
    assert torch.equal(*made)


def pipeline_of(kind, decoder, scheduler):
    pipeline = kind(
        vae=decoder.vae.kl,
        text_encoder=None,
        tokenizer=None,
        unet=decoder.unet,
        scheduler=diffusion.make_solver(decoder.scheduler, scheduler),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


class Knowing:
    """A decoder whose denoiser knows the clean latents."""

    samples_posterior = False

    def __init__(self, scheduler, latents):
        self.scheduler, self.latents = scheduler, latents
        self.config = SampleOptions(steps=20, guidance=1.0)
        self.predict = knowing(scheduler, latents, scheduler.config.prediction_type)

    def check(self, options):
        pass

    def shape(self, options):
        return LATENTS

    def noise(self, shape, generators):
        return diffusion.normal_rows(shape, generators)

    def to_latents(self, media, options):
        return torch.full((len(media), *LATENTS), 3.0)


@pytest.mark.parametrize("start", [None, "a medium"])
@pytest.mark.parametrize("steps", [1, 15, 61, 999])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("name", ["dpm++", "ddim", "euler", "unipc"])
def test_every_scheduler_ends_where_a_denoiser_that_knows_the_answer_leads(
    name, kind, steps, start
):
    scheduler = DDIMScheduler(prediction_type=kind, beta_schedule="scaled_linear")
    latents = torch.randn(2, *LATENTS, generator=torch.Generator().manual_seed(9)) * 3
    options = SampleOptions(steps=steps, scheduler=name)
    requests = [RenderRequest(torch.zeros(1, 1), seed, options, start, 0.5) for seed in range(2)]
    made = diffusion.sample_latents(Knowing(scheduler, latents), requests, no_progress, never)
    torch.testing.assert_close(made, latents, atol=2e-3, rtol=1e-3)


@torch.no_grad()
def test_ddim_is_that_of_diffusers_where_the_steps_divide_the_noise_levels():
    decoder = plain_decoder()
    condition = decoder.encode_prompt(["a red cat"])
    latents = diffusion.normal_rows(decoder.latent_shape, generators(1))
    theirs = DDIMScheduler.from_config(decoder.scheduler.config, timestep_spacing="trailing")
    theirs.set_timesteps(20)
    ours = diffusion.make_solver(decoder.scheduler, "ddim")
    ours.set_timesteps(timesteps=theirs.timesteps.tolist())
    left = right = latents
    for timestep in theirs.timesteps[:-1]:  # diffusers' last step ends at the first noise level
        left = ours.step(decoder.predict(left, timestep[None], condition), timestep, left)[0]
        right = theirs.step(decoder.predict(right, timestep[None], condition), timestep, right)[0]
    torch.testing.assert_close(left, right, atol=1e-3, rtol=1e-3)


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

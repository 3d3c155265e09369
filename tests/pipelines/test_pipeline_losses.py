"""The denoising loss through pipelines: closed forms, and the gradient to the condition."""

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from anygen.core.media import Image
from decoders.parts.pipelines.losses import TRAININGS, flow_loss
from support.diffusers_pipelines import TINIES, publish
from support.pipeline_tasks import published_decoder


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def condition(decoder, rows):
    spec = decoder.condition_spec
    shape = (spec.tokens * spec.width + spec.pooled,) if spec.pooled else (spec.tokens, spec.width)
    return torch.randn((rows, *shape), generator=torch.Generator().manual_seed(0))


def test_the_flow_loss_is_zero_for_who_knows_the_way_and_else_the_distance():
    latents, noise = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    told = torch.zeros(2, 1, 1)

    def knowing(noisy, timesteps, _):
        return noise - latents

    def wrong(noisy, timesteps, _):
        return noise - latents + 0.5

    assert flow_loss(knowing, latents, noise, told, generators(1, 2)).tolist() == [0, 0]
    torch.testing.assert_close(
        flow_loss(wrong, latents, noise, told, generators(1, 2)), torch.full((2,), 0.25)
    )


def test_the_noise_at_a_time_of_the_flow_is_that_of_the_sampler():
    latents, noise = torch.randn(3, 4, 3, 3), torch.randn(3, 4, 3, 3)
    sampler = FlowMatchEulerDiscreteScheduler()
    seen = []

    def watch(noisy, timesteps, _):
        seen.append((noisy, timesteps))
        return noisy

    flow_loss(watch, latents, noise, torch.zeros(3, 1, 1), generators(1, 2, 3))
    [(noisy, timesteps)] = seen
    assert len(set(timesteps.tolist())) == 3
    assert ((timesteps > 0) & (timesteps < 1000)).all()
    for row, time in enumerate(timesteps):
        sampler.set_timesteps(timesteps=[float(time)])
        one = slice(row, row + 1)
        expected = sampler.scale_noise(latents[one], sampler.timesteps, noise[one])
        torch.testing.assert_close(noisy[one], expected)


@pytest.mark.parametrize("family", TRAININGS)
def test_the_loss_is_of_each_row_alone_and_reaches_its_condition(family, tmp_path):
    decoder = published_decoder(family, publish(family, tmp_path))
    pictures = [Image(torch.randint(0, 256, (3, 40, 24), dtype=torch.uint8)) for _ in range(2)]
    told = condition(decoder, 2).requires_grad_()
    losses = decoder.loss(pictures, told, generators(1, 2))
    assert losses.shape == (2,)
    assert losses.isfinite().all()
    losses[0].backward()
    assert told.grad[0].norm() > 0
    assert told.grad[1].norm() == 0
    alone = decoder.loss(pictures[1:], told[1:], generators(2))
    torch.testing.assert_close(losses[1:], alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", TRAININGS)
def test_latents_become_the_picture_again_where_the_pipeline_decodes(family, tmp_path):
    """The scale and shift are those of the pipeline: decoding what was encoded undoes them."""
    decoder = published_decoder(family, publish(family, tmp_path))
    vae = decoder.parts["vae"]
    picture = Image(torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8))
    latents = decoder.to_latents([picture])
    plain = picture.pixels[None].float() / 127.5 - 1
    encoded = vae.encode(plain)
    wanted = encoded.latent_dist.mode() if "latent_dist" in encoded else encoded.latent
    shift = vae.config.get("shift_factor") or 0
    torch.testing.assert_close(latents / vae.config.scaling_factor + shift, wanted)


@pytest.mark.parametrize("family", [name for name in TINIES if name not in TRAININGS])
def test_a_family_without_a_loss_says_what_trains_it(family, tmp_path):
    decoder = published_decoder(family, publish(family, tmp_path))
    with pytest.raises(
        ValueError, match=f"{family} has no denoising loss here: train this decoder"
    ):
        decoder.latent_loss(torch.zeros(1, 4, 4, 4), condition(decoder, 1), generators(1))

"""What every decoder promises, on the tiny configuration that its file carries."""

from dataclasses import replace

import pytest
import torch

from anygen.core.media import Audio, Image
from anygen.testing import decoders as contract
from anygen.testing.decoders import *  # noqa: F403
from anygen.testing.decoders import CAPTIONS, SEEDS, difference, generators, sample, values
from decoders.base import CancelledError, SampleOptions
from support.tiny_decoders import make, plug, with_settings


class Numbered:
    """A decoder whose noise depends on how many rows there are, or on their order."""

    def __init__(self, decoder, seed_of):
        self.decoder, self.seed_of = decoder, seed_of
        self.encode_prompt = decoder.encode_prompt

    def sample(self, requests, on_step, cancelled):
        seeds = [self.seed_of(request, row, len(requests)) for row, request in enumerate(requests)]
        changed = [replace(request, seed=seed) for request, seed in zip(requests, seeds)]
        return self.decoder.sample(changed, on_step, cancelled)


@pytest.mark.parametrize(
    "seed_of",
    [lambda request, _, rows: request.seed + rows, lambda request, row, _: request.seed + row],
    ids=["batch size", "place in the batch"],
)
def test_the_contract_catches_noise_that_depends_on_the_batch(decoder, seed_of):
    contract.test_a_row_is_the_same_whatever_is_sampled_beside_it(decoder)
    with pytest.raises(AssertionError):
        contract.test_a_row_is_the_same_whatever_is_sampled_beside_it(Numbered(decoder, seed_of))


def test_the_contract_catches_noise_that_stays_on_the_cpu(name):
    def make_decoder():
        decoder = make(name)
        usual = decoder.sample

        def sample_on_the_cpu(requests, on_step, cancelled):
            for request in requests:
                request.condition + torch.zeros_like(request.condition, device="cpu")
            return usual(requests, on_step, cancelled)

        decoder.sample = sample_on_the_cpu
        return decoder

    with pytest.raises(RuntimeError, match="device"):
        contract.test_whatever_it_makes_itself_is_on_the_device_of_its_condition(make_decoder)


def test_the_caption_and_the_guidance_change_the_medium(decoder):
    cat, ball = sample(decoder, ["a flat cat", "three red balls"], [7, 7], guidance=9.0)
    (unguided,) = sample(decoder, ["a flat cat"], [7], guidance=1.0)
    assert difference(cat, ball) > 0
    assert difference(cat, unguided) > 0


@pytest.mark.parametrize("steps", [None, 3])
def test_progress_counts_every_step(decoder, steps):
    seen = []
    sample(decoder, ["a cat"], [7], steps=steps, on_step=lambda *step: seen.append(step))
    total = steps or decoder.config.steps
    assert seen == [(index + 1, total) for index in range(total)]


@pytest.mark.parametrize("wanted", [0, 2])
def test_cancelling_stops_within_one_step(decoder, wanted):
    seen = []
    with pytest.raises(CancelledError):
        sample(
            decoder,
            ["a cat"],
            [7],
            steps=5,
            on_step=lambda *step: seen.append(step),
            cancelled=lambda: len(seen) == wanted,
        )
    assert len(seen) == wanted


@pytest.mark.parametrize("steps", [1000, 20000])
def test_more_steps_than_noise_levels_are_refused_before_the_first(decoder, steps):
    seen = []
    with pytest.raises(ValueError, match=f"{steps} denoising steps are too many.*999 or fewer"):
        sample(decoder, ["a cat"], [7], steps=steps, on_step=lambda *step: seen.append(step))
    assert not seen


def test_as_many_steps_as_there_are_noise_levels_to_tell_apart_make_a_medium(name):
    decoder = with_settings(name, scheduler={"num_train_timesteps": 20})
    (medium,) = sample(decoder, ["a cat"], [7], steps=19)
    assert values(medium).float().std() > 0
    with pytest.raises(ValueError, match="ask for 19 or fewer"):
        decoder.check(SampleOptions(steps=20))


@pytest.mark.parametrize(("guidance", "rows"), [(1.0, 1), (3.0, 2)])
def test_only_guidance_runs_the_network_on_a_second_branch(decoder, guidance, rows):
    batches = []
    decoder.unet.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
    sample(decoder, ["a cat"], [7], guidance=guidance)
    assert batches == [rows] * decoder.config.steps


@torch.no_grad()
def test_an_untrained_animatediff_predicts_every_frame_as_the_image_decoder_does():
    video = make("animatediff")
    video.config = video.config.model_copy(update={"still_background": False})
    latents = torch.randn(2, *video.latent_shape, generator=torch.Generator().manual_seed(0))
    timesteps, condition = torch.tensor([10, 700]), video.encode_prompt(["a cat", "a dog"])
    frames = video.predict(latents, timesteps, condition)
    for index in range(video.config.frames):
        still = video.image.predict(latents[:, :, index], timesteps, condition)
        torch.testing.assert_close(frames[:, :, index], still, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_animatediff_moves_once_its_motion_modules_have_learned():
    video = make("animatediff")
    for name, parameter in video.unet.named_parameters():
        if "motion_modules" in name:
            parameter.normal_()
    latents = torch.randn(1, video.latent_shape[0], 1, *video.latent_shape[2:])
    frames = video.predict(
        latents.expand(-1, -1, video.config.frames, -1, -1),
        torch.tensor([500]),
        video.encode_prompt(["a cat"]),
    )
    assert (frames[:, :, 1:] - frames[:, :, :1]).abs().max() > 1e-3


def test_animatediff_shares_every_weight_but_motion_with_the_image_decoder():
    video = make("animatediff")
    shared = {id(p) for p in video.image.parameters()}
    own = [name for name, p in video.unet.named_parameters() if id(p) not in shared]
    assert own
    assert all("motion_modules" in name for name in own)


def test_animatediff_says_which_decoder_it_extends():
    with pytest.raises(ValueError, match=r"animatediff extends decoders\.image"):
        plug("animatediff", {})


@torch.no_grad()
def test_stable_diffusion_learns_from_pictures_of_any_size():
    decoder = make("stable_diffusion")
    shapes = [(3, 16, 16), (3, 64, 64), (3, 19, 23)]
    pictures = [Image(torch.full(shape, 200, dtype=torch.uint8)) for shape in shapes]
    latents = decoder.to_latents(pictures)
    torch.testing.assert_close(latents[1:], latents[:1].expand(2, -1, -1, -1))
    losses = decoder.loss(pictures, decoder.encode_prompt(CAPTIONS), generators(SEEDS))
    assert losses.shape == (3,)


@torch.no_grad()
def test_audioldm_hears_the_same_in_sound_of_any_rate_length_and_number_of_channels():
    decoder = make("audioldm")
    tone = torch.sin(torch.arange(48_000) / 48_000 * 440 * 2 * torch.pi)
    rates = {16_000: 3, 24_000: 2, 48_000: 1}
    sounds = [Audio(tone[::step].expand(2, -1), rate) for rate, step in rates.items()]
    latents = decoder.to_latents(sounds)
    assert latents.shape == (3, *decoder.latent_shape)
    torch.testing.assert_close(latents[1:], latents[:1].expand(2, -1, -1, -1), atol=0.1, rtol=0)

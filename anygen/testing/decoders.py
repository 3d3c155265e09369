"""Tests of the contract of decoders, for your own plugin.

In your test file:

    from anygen.testing.decoders import *  # the tests, and the fixtures that they need

    @pytest.fixture
    def make_decoder():
        def make():  # the same random weights every time
            torch.manual_seed(0)
            return build(Config(...), folder, decoders={})

        return make
"""

import pytest
import torch

from anygen.core.media import MODALITY_OF, Audio, Image, Video
from anygen.memory.meta_tracker import MetaTracker
from decoders.base import CancelledError, RenderRequest, SampleOptions, never, no_progress

CAPTIONS = ["a flat cat on a red background", "", "a piano playing a rising melody"]
SEEDS = [7, 8, 9]


@pytest.fixture
def decoder(make_decoder):
    return make_decoder()


@torch.inference_mode()
def requests_of(decoder, captions, seeds, init_media=None, strength=0.6, **options):
    conditions = [decoder.encode_prompt([caption])[0] for caption in captions]
    render = SampleOptions(**options)
    return [
        RenderRequest(condition, seed, render, init_media, strength)
        for condition, seed in zip(conditions, seeds, strict=True)
    ]


@torch.inference_mode()
def sample(decoder, captions, seeds, *, on_step=no_progress, cancelled=never, **settings):
    return decoder.sample(requests_of(decoder, captions, seeds, **settings), on_step, cancelled)


def values(medium):
    match medium:
        case Image(pixels):
            return pixels.int()
        case Audio(samples):
            return samples
        case Video(frames):
            return frames.int()


def difference(left, right):
    return float((values(left) - values(right)).abs().max())


def same(left, right):
    return torch.equal(values(left), values(right))


@torch.no_grad()
def test_conditions_of_captions_have_the_shape_of_the_spec_and_do_not_depend_on_the_batch(decoder):
    conditions, spec = decoder.encode_prompt(CAPTIONS), decoder.condition_spec
    tokens, pooled = spec.split(conditions)
    assert tokens.shape == (len(CAPTIONS), spec.tokens, spec.width)
    assert pooled is None if spec.pooled == 0 else pooled.shape == (len(CAPTIONS), spec.pooled)
    assert conditions.isfinite().all()
    if spec.norm == "l2":
        torch.testing.assert_close(conditions.norm(dim=-1), torch.ones(len(CAPTIONS), spec.tokens))
    alone = torch.cat([decoder.encode_prompt([caption]) for caption in CAPTIONS])
    torch.testing.assert_close(conditions, alone, atol=1e-5, rtol=1e-4)


def test_each_request_becomes_a_medium_of_the_decoders_modality(decoder):
    media = sample(decoder, CAPTIONS, SEEDS)
    assert [MODALITY_OF[type(medium)] for medium in media] == [decoder.modality] * len(SEEDS)
    assert len({values(medium).shape for medium in media}) == 1


def test_the_same_seed_gives_the_same_medium_and_another_seed_another(decoder):
    first, second, other = sample(decoder, ["a cat"] * 3, [7, 7, 8])
    assert same(first, second)
    assert not same(first, other)
    assert same(sample(decoder, ["a cat"], [7])[0], sample(decoder, ["a cat"], [7])[0])


def test_a_row_is_the_same_whatever_is_sampled_beside_it(decoder):
    batch = sample(decoder, CAPTIONS, SEEDS)
    for caption, seed, medium in zip(CAPTIONS, SEEDS, batch, strict=True):
        assert same(sample(decoder, [caption], [seed])[0], medium)


def test_whatever_it_makes_itself_is_on_the_device_of_its_condition(make_decoder):
    """`anygen plan` runs it on the meta device, where tensors have shapes and no values."""
    with torch.device("meta"):
        decoder = make_decoder().to("meta")
        spec = decoder.condition_spec
        pooled = torch.zeros(1, spec.pooled) if spec.pooled else None
        [condition] = spec.join(torch.zeros(1, spec.tokens, spec.width), pooled)
    with MetaTracker(), torch.inference_mode():
        [medium] = decoder.sample([RenderRequest(condition, 7)], no_progress, never)
    assert MODALITY_OF[type(medium)] == decoder.modality


def test_progress_counts_every_step_up_to_the_announced_total(decoder):
    steps = []
    sample(decoder, ["a cat"], [7], on_step=lambda *step: steps.append(step))
    total = steps[0][1]
    assert steps == [(index + 1, total) for index in range(total)]


def test_a_decoder_that_was_cancelled_before_its_first_step_can_be_used_again(decoder):
    steps = []
    on_step = lambda *step: steps.append(step)  # noqa: E731
    with pytest.raises(CancelledError):
        sample(decoder, ["a cat"], [7], on_step=on_step, cancelled=lambda: True)
    assert not steps
    assert len(sample(decoder, ["a cat"], [7])) == 1


def generators(seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_the_loss_is_one_number_per_row_and_reaches_the_condition(decoder):
    media = sample(decoder, CAPTIONS, SEEDS)
    conditions = decoder.encode_prompt(CAPTIONS).detach().requires_grad_()
    losses = decoder.loss(media, conditions, generators(SEEDS))
    assert losses.shape == (len(CAPTIONS),)
    assert losses.isfinite().all()
    losses.sum().backward()
    assert (conditions.grad.flatten(1).norm(dim=1) > 0).all()


@torch.no_grad()
def test_the_loss_of_a_row_depends_on_its_own_generator_only(decoder):
    media, conditions = sample(decoder, CAPTIONS, SEEDS), decoder.encode_prompt(CAPTIONS)
    batched = decoder.loss(media, conditions, generators(SEEDS))
    alone = [
        decoder.loss([medium], conditions[i : i + 1], generators([SEEDS[i]]))
        for i, medium in enumerate(media)
    ]
    torch.testing.assert_close(batched, torch.cat(alone), atol=1e-4, rtol=1e-4)


def test_a_decoder_is_restored_from_its_state_dict(decoder, make_decoder):
    other = make_decoder()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.normal_()
    other.load_state_dict(decoder.state_dict(), strict=True)
    (first,), (second,) = (sample(d, ["a cat"], [7]) for d in (decoder, other))
    assert difference(first, second) == 0

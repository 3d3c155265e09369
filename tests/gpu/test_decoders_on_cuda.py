"""Decoders make on a GPU what they make on a CPU, in float32 and up to rounding."""

import pytest
import torch

from anygen.config import plugins
from decoders.base import RenderRequest, SampleOptions, never, no_progress
from support.on_gpu import DEVICE, NEEDS_CUDA, assert_alike, values
from support.tiny_decoders import make, make_published

pytestmark = NEEDS_CUDA

PUBLISHED = ["sd15", "sd21", "animatediff", "audioldm", "zeroscope"]
OPTIONS = SampleOptions(steps=3)


@torch.inference_mode()
def media_of(decoder, device):
    """One medium made of a caption, and one that begins with it."""
    decoder.to(device)
    [condition] = decoder.encode_prompt(["a cat"])
    assert condition.device.type == torch.device(device).type
    [first] = decoder.sample([RenderRequest(condition, 7, OPTIONS)], no_progress, never)
    [second] = decoder.sample(
        [RenderRequest(condition, 8, OPTIONS, first, 0.7)], no_progress, never
    )
    return [values(first), values(second)]


@pytest.mark.parametrize("name", plugins.names("decoders"))
def test_a_decoder_makes_on_a_gpu_what_it_makes_on_a_cpu(name):
    assert_alike(media_of(make(name), DEVICE), media_of(make(name), "cpu"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parts_make_on_a_gpu_what_they_make_on_a_cpu(name, published):
    found, expected = (
        media_of(make_published(name, published), device) for device in (DEVICE, "cpu")
    )
    assert_alike(found, expected)


@pytest.mark.parametrize("name", plugins.names("decoders"))
def test_a_decoders_loss_and_its_gradient_are_those_of_a_cpu(name):
    found, expected = (loss_and_gradient(make(name), device) for device in (DEVICE, "cpu"))
    for ours, theirs in zip(found, expected, strict=True):
        scale = theirs.abs().max().item()
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-3 * scale)


def loss_and_gradient(decoder, device):
    decoder.to("cpu")
    with torch.inference_mode():
        [condition] = decoder.encode_prompt(["a cat"])
        [medium] = decoder.sample([RenderRequest(condition, 7, OPTIONS)], no_progress, never)
    decoder.to(device)
    conditions = condition.clone()[None].to(device).detach().clone().requires_grad_()
    [loss] = decoder.loss([medium], conditions, [torch.Generator().manual_seed(3)])
    loss.backward()
    return loss.detach().cpu(), conditions.grad.cpu()

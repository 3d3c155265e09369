"""The families of diffusers make on a GPU what they make on a CPU, in float32 up to rounding."""

import pytest

from decoders.parts.pipelines.families import FAMILIES
from support.diffusers_pipelines import publish
from support.on_gpu import DEVICE, NEEDS_CUDA, assert_alike, values
from support.pipeline_tasks import EDITING, condition, published_decoder, request_for, sample

pytestmark = NEEDS_CUDA


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_makes_on_a_gpu_what_it_makes_on_a_cpu(family, tmp_path):
    folder = publish(family, tmp_path)
    found, expected = (media_of(family, folder, device) for device in (DEVICE, "cpu"))
    assert_alike(found, expected)


def media_of(family, folder, device):
    """One medium of a random condition and, where the family edits, one that begins with it."""
    decoder = published_decoder(family, folder).to(device)
    unwanted = condition(decoder, seed=99)[None].to(device)
    decoder.encode_prompt = lambda captions: unwanted  # the folder has no text encoders
    [first] = sample(decoder, [request_for(decoder, 1)])
    if family not in EDITING:
        return [values(first)]
    [second] = sample(decoder, [request_for(decoder, 2, first)])
    return [values(first), values(second)]

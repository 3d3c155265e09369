"""Decoders of the tiny pipelines, and what tests ask of them."""

import torch

from decoders.base import RenderRequest, SampleOptions, never, no_progress
from decoders.diffusers_pipeline import Config, build
from decoders.parts.pipelines.families import FAMILIES
from support.diffusers_pipelines import TINIES


def published_decoder(family, folder, **settings):
    """A decoder of the folder's weights, of small media in three steps."""
    chosen = TINIES[family].settings | {"steps": 3} | settings
    return build(Config(pretrained=str(folder), **chosen), folder)


EDITING = [name for name, family in FAMILIES.items() if family.editing]


def condition(decoder, seed):
    spec = decoder.condition_spec
    shape = (spec.tokens * spec.width + spec.pooled,) if spec.pooled else (spec.tokens, spec.width)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def request_for(decoder, seed, init_media=None, strength=0.7, **options):
    return RenderRequest(
        condition(decoder, seed), seed, SampleOptions(**options), init_media, strength
    )


def sample(decoder, requests, on_step=no_progress, cancelled=never):
    with torch.inference_mode():
        return decoder.sample(requests, on_step, cancelled)

"""Our decoder makes what the plain pipelines of eleven families make, row by row the same."""

import pytest
import torch

from anygen.core.media import MODALITY_OF
from anygen.testing.decoders import difference, same, values
from decoders.parts.pipelines.families import FAMILIES
from support.diffusers_pipelines import TINIES, Absent, plain
from support.pipeline_tasks import EDITING, condition, request_for, sample

PROMPT, POOLED = "prompt_embeds", "pooled_prompt_embeds"
BOTH, BOTH_POOLED = (PROMPT, f"negative_{PROMPT}"), (POOLED, f"negative_{POOLED}")
MASKS = ("prompt_attention_mask", "negative_prompt_attention_mask")
GENERATED = ("generated_prompt_embeds", "negative_generated_prompt_embeds")
SQUARE = {"height": 32, "width": 32}
CLIP = SQUARE | {"num_frames": 9}
EXACT = SQUARE | {"negative_prompt": None, "use_resolution_binning": False}
# What each pipeline is called with: its tensors, and the rest. SDXL and Stable Audio are, by
# themselves, guided away from zeros; Flux needs nothing to be guided away from.
PLAINLY = {
    "StableDiffusionXLPipeline": ((PROMPT, POOLED), SQUARE | {"guidance_scale": 5.0}),
    "StableDiffusion3Pipeline": ((*BOTH, *BOTH_POOLED), SQUARE | {"guidance_scale": 7.0}),
    "FluxPipeline": ((PROMPT, POOLED), SQUARE | {"guidance_scale": 3.5}),
    "PixArtSigmaPipeline": ((*BOTH, *MASKS), EXACT | {"guidance_scale": 4.5}),
    "SanaPipeline": ((*BOTH, *MASKS), EXACT | {"guidance_scale": 4.5}),
    "QwenImagePipeline": (BOTH, SQUARE | {"true_cfg_scale": 4.0}),
    "AudioLDM2Pipeline": (
        (*BOTH, *GENERATED),
        {"audio_length_in_s": 0.04, "guidance_scale": 3.5},
    ),
    "StableAudioPipeline": ((PROMPT,), {"audio_end_in_s": 2.0, "guidance_scale": 7.0}),
    "LTXPipeline": ((*BOTH, *MASKS), CLIP | {"guidance_scale": 3.0}),
    "WanPipeline": (BOTH, CLIP | {"guidance_scale": 5.0}),
    "CogVideoXPipeline": (BOTH, CLIP | {"guidance_scale": 6.0}),
}


def two_rows(family, decoder):
    """A pipeline's arguments for the requests of seeds 1 and 2, without our code."""
    spec, tensors = decoder.condition_spec, {}
    for prefix, seeds in (("", (1, 2)), ("negative_", (99, 99))):
        flat = torch.stack([condition(decoder, seed).flatten() for seed in seeds])
        length = spec.tokens * spec.width
        tensors |= {
            f"{prefix}prompt_embeds": flat[:, :length].view(2, spec.tokens, spec.width),
            f"{prefix}pooled_prompt_embeds": flat[:, length:],
            f"{prefix}generated_prompt_embeds": flat[:, length:].reshape(2, 8, spec.pooled // 8),
            f"{prefix}prompt_attention_mask": torch.ones(2, spec.tokens, dtype=torch.long),
        }
    names, others = PLAINLY[family]
    return {name: tensors[name] for name in names} | others


def run_plainly(family, arguments, editing=""):
    absent = Absent() if family == "AudioLDM2Pipeline" else None
    text = {"text_encoder_2": absent, "language_model": absent} if absent else {}
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    settings = {"generator": generators, "output_type": "pt", "return_dict": False}
    return plain(family, editing, **text)(**arguments, **settings)[0]


def assert_close(media, expected):
    """To 1e-4, and half a step of uint8 where there are pixels."""
    for medium, wanted in zip(media, expected, strict=True):
        if wanted.ndim <= 2:
            ours, tolerance = values(medium), 1e-4
            wanted = wanted.reshape(ours.shape).clamp(-1, 1)
        else:
            ours, tolerance = values(medium) / 255, 0.5 / 255 + 1e-4
        torch.testing.assert_close(ours, wanted, atol=tolerance, rtol=0)


@pytest.mark.parametrize("family", TINIES)
def test_the_media_are_those_of_the_plain_pipeline(family, decoder):
    media = sample(decoder, [request_for(decoder, 1), request_for(decoder, 2)])
    assert [MODALITY_OF[type(medium)] for medium in media] == [decoder.modality] * 2
    expected = run_plainly(family, two_rows(family, decoder) | {"num_inference_steps": 3})
    assert_close(media, expected)
    with pytest.raises(AssertionError):
        assert_close(media[::-1], expected)


@pytest.mark.parametrize("family", EDITING)
def test_the_edited_media_are_those_of_the_plain_pipeline(family, decoder):
    starts = sample(decoder, [request_for(decoder, 3), request_for(decoder, 4)])
    media = sample(
        decoder, [request_for(decoder, 1, starts[0]), request_for(decoder, 2, starts[1])]
    )
    arguments = two_rows(family, decoder) | {"num_inference_steps": 3, "strength": 2 / 3}
    for useless in ["num_frames", *(["height", "width"] if "XL" in family else [])]:
        arguments.pop(useless, None)
    pictures = torch.stack([values(start).float() / 255 for start in starts])
    arguments[decoder.modality] = pictures
    assert_close(media, run_plainly(family, arguments, FAMILIES[family].editing))


@pytest.mark.parametrize("family", TINIES)
def test_a_row_does_not_depend_on_its_company(family, decoder):
    """To the last bit, edited or not."""
    starts = [None]
    if family in EDITING:
        starts += sample(decoder, [request_for(decoder, 9)])
    for start in starts:
        requests = [request_for(decoder, seed, start) for seed in range(3)]
        alone = [sample(decoder, [one])[0] for one in requests]
        assert all(map(same, sample(decoder, requests[::-1]), alone[::-1]))
        assert difference(alone[0], alone[1]) > 0


@pytest.mark.parametrize("family", TINIES)
def test_a_denoiser_of_half_precision_works_beside_an_autoencoder_of_full(family, decoder):
    [exact] = sample(decoder, [request_for(decoder, 1)])
    for name, parameter in decoder.named_parameters():
        if not name.startswith(decoder.keep_in_fp32_modules):
            parameter.data = parameter.data.bfloat16()
    [rough] = sample(decoder, [request_for(decoder, 1)])
    assert decoder.parts["vae"].dtype == torch.float32
    assert values(rough).shape == values(exact).shape
    scale = 255 if decoder.modality != "audio" else 1
    assert (values(rough) - values(exact)).abs().float().mean() / scale < 0.1
    if family in EDITING:
        sample(decoder, [request_for(decoder, 2, rough)])
        assert decoder.parts["vae"].dtype == torch.float32

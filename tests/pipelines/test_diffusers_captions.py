"""A caption through our decoder makes what the plain pipeline makes of it as a prompt."""

import pytest
import torch

from anygen.testing.decoders import values
from decoders.base import RenderRequest, SampleOptions, never, no_progress
from support.diffusers_pipelines import TINIES, plain, publish
from support.pipeline_tasks import published_decoder
from support.text_encoders import TEXTS

CAPTIONS = ["a cat", "a red ball and the sea"]
SIZE = {"height": 32, "width": 32}
LENGTH = {"max_sequence_length": 8}
EXACT = SIZE | LENGTH | {"use_resolution_binning": False}
PLAINLY = {
    "StableDiffusionXLPipeline": SIZE,
    "StableDiffusion3Pipeline": SIZE | LENGTH,
    "FluxPipeline": SIZE | LENGTH,
    "PixArtSigmaPipeline": EXACT | {"clean_caption": False},
    "SanaPipeline": EXACT | {"complex_human_instruction": None},
    "QwenImagePipeline": SIZE | {"negative_prompt": "", "true_cfg_scale": 40.0},
    # What it hears of the empty caption depends on the length of the other one.
    "AudioLDM2Pipeline": {"audio_length_in_s": 0.04, "guidance_scale": 1.0},
    "StableAudioPipeline": {"audio_end_in_s": 2.0},
    "LTXPipeline": SIZE | LENGTH | {"num_frames": 9},
    "WanPipeline": SIZE | LENGTH | {"num_frames": 9},
    "CogVideoXPipeline": SIZE | {"num_frames": 9, "max_sequence_length": 16},
}


GUIDANCE = {"QwenImagePipeline": 40.0, "AudioLDM2Pipeline": 1.0}  # instead of their own
TOKENS = {"QwenImagePipeline": 256, "AudioLDM2Pipeline": 16}  # that no text is cut


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    made = {}

    def folder_of(family):
        if family not in made:
            torch.manual_seed(1)
            made[family] = publish(family, tmp_path_factory.mktemp(family), **TEXTS[family]())
        return made[family]

    return folder_of


@pytest.fixture
def decoder(family, texts):
    settings = {"tokens": TOKENS[family]} if family in TOKENS else {}
    return published_decoder(family, texts(family), **settings)


def prompted(family, caption, seed):
    """By the plain pipeline."""
    torch.manual_seed(1)
    pipeline = plain(family, **TEXTS[family]())
    generator = [torch.Generator().manual_seed(seed)]
    settings = {"num_inference_steps": 3, "output_type": "pt", "return_dict": False}
    return pipeline([caption], generator=generator, **settings, **PLAINLY[family])[0][0]


@torch.inference_mode()
def sample(decoder, caption, seed=5, **options):
    [condition] = decoder.encode_prompt([caption])
    request = RenderRequest(condition, seed, SampleOptions(**options))
    return decoder.sample([request], no_progress, never)[0]


@pytest.mark.parametrize("family", TINIES)
def test_a_caption_is_a_prompt(family, decoder):
    made = [sample(decoder, caption, guidance=GUIDANCE.get(family)) for caption in CAPTIONS]
    scale, tolerance = (1, 1e-4) if decoder.modality == "audio" else (255, 0.5 / 255 + 1e-4)
    ours = [values(medium) / scale for medium in made]
    assert (ours[0] - ours[1]).abs().max() > 2 * tolerance
    for medium, caption in zip(ours, CAPTIONS, strict=True):
        expected = prompted(family, caption, 5).view(medium.shape).clamp(-1, 1)
        torch.testing.assert_close(medium, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("family", TINIES)
def test_captions_are_read_whatever_stands_beside_them(family, decoder):
    spec = decoder.condition_spec
    together = decoder.encode_prompt([*CAPTIONS, ""])
    tokens, pooled = spec.split(together)
    assert tokens.shape == (3, spec.tokens, spec.width)
    assert (pooled is None) == (spec.pooled == 0)
    alone = torch.cat([decoder.encode_prompt([caption]) for caption in [*CAPTIONS, ""]])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", ["StableDiffusion3Pipeline", "AudioLDM2Pipeline"])
def test_text_encoders_are_there_while_captions_are_read(family, decoder):
    def names():
        return [name for name, _ in decoder.named_parameters() if name.startswith("text_encoder")]

    assert not names()
    condition = torch.randn(decoder.encode_prompt(["a cat"]).shape[1:])
    assert names()
    decoder.drop_text()
    assert not names()
    for _ in range(2):  # for what guidance leads away from, the first time
        decoder.sample([RenderRequest(condition, 0)], no_progress, never)
        assert not names()
    assert list(decoder.negatives) == [""]


@pytest.mark.parametrize("family", ["StableDiffusionXLPipeline"])
def test_another_number_of_tokens_than_the_text_encoders_make_is_refused(family, texts):
    decoder = published_decoder(family, texts(family), tokens=9)
    with pytest.raises(ValueError, match="tokens: the text encoder has 8, not 9; set 8"):
        decoder.encode_prompt(["a cat"])

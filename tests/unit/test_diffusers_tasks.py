"""What the pipelines of eleven families are asked, and that our decoder asks them just that."""

import diffusers
import pytest
import torch
from tiny_decoders import difference, same, values
from tiny_pipelines import TINIES, Absent, plain, publish, published_decoder

from anygen.media import MODALITY_OF
from decoders.base import CancelledError, SampleOptions, Task, never, no_progress
from decoders.parts.pipelines import FAMILIES

EDITING = [name for name, family in FAMILIES.items() if family.editing]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def folder_of(family):
        if family not in made:
            made[family] = publish(family, tmp_path_factory.mktemp(family))
        return made[family]

    return folder_of


@pytest.fixture
def decoder(family, folders, monkeypatch):
    """Its caption is a fixed one: the folder has no text encoders."""
    made = published_decoder(family, folders(family))
    unwanted = condition(made, seed=99)
    monkeypatch.setattr(made, "caption_condition", lambda captions: unwanted[None])
    return made


def condition(decoder, seed):
    spec = decoder.condition_spec
    shape = (spec.tokens * spec.width + spec.pooled,) if spec.pooled else (spec.tokens, spec.width)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def task(decoder, seed, start=None, strength=0.7, **options):
    return Task(condition(decoder, seed), seed, SampleOptions(**options), start, strength)


def sample(decoder, tasks, on_step=no_progress, cancelled=never):
    with torch.inference_mode():
        return decoder.sample(tasks, on_step, cancelled)


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
    """A pipeline's arguments for the tasks of seeds 1 and 2, without our code."""
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
    media = sample(decoder, [task(decoder, 1), task(decoder, 2)])
    assert [MODALITY_OF[type(medium)] for medium in media] == [decoder.modality] * 2
    expected = run_plainly(family, two_rows(family, decoder) | {"num_inference_steps": 3})
    assert_close(media, expected)
    with pytest.raises(AssertionError):
        assert_close(media[::-1], expected)


@pytest.mark.parametrize("family", EDITING)
def test_the_edited_media_are_those_of_the_plain_pipeline(family, decoder):
    starts = sample(decoder, [task(decoder, 3), task(decoder, 4)])
    media = sample(decoder, [task(decoder, 1, starts[0]), task(decoder, 2, starts[1])])
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
        starts += sample(decoder, [task(decoder, 9)])
    for start in starts:
        tasks = [task(decoder, seed, start) for seed in range(3)]
        alone = [sample(decoder, [one])[0] for one in tasks]
        assert all(map(same, sample(decoder, tasks[::-1]), alone[::-1]))
        assert difference(alone[0], alone[1]) > 0


@pytest.mark.parametrize("family", TINIES)
def test_every_step_is_counted_and_may_be_the_last(family, decoder):
    seen = []

    def on_step(*step):
        seen.append(step)

    [whole] = sample(decoder, [task(decoder, 1)], on_step)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for wanted in (0, 1, 2):
        seen.clear()
        with pytest.raises(CancelledError):
            sample(decoder, [task(decoder, 1)], on_step, lambda n=wanted: len(seen) == n)
        assert len(seen) == wanted
    assert same(sample(decoder, [task(decoder, 1)])[0], whole)


@pytest.mark.parametrize("family", EDITING)
def test_only_the_last_steps_change_a_start(family, decoder):
    seen = []
    [start] = sample(decoder, [task(decoder, 9)])
    made = {}
    for strength in (0.01, 0.5, 1.0):
        edit = task(decoder, 1, start, strength, steps=12)
        [made[strength]] = sample(decoder, [edit], lambda *step: seen.append(step))
    assert [step for step in seen if step[0] == 1] == [(1, 1), (1, 6), (1, 12)]
    assert same(made[1.0], sample(decoder, [task(decoder, 1, steps=12)])[0])
    assert len({medium_bytes(medium) for medium in made.values()}) == 3


def medium_bytes(medium):
    return values(medium).numpy().tobytes()


@pytest.mark.parametrize("family", EDITING)
def test_a_share_of_the_steps_is_not_rounded_to_another(family, decoder):
    """15 / 22 * 22 is a little less than 15, 14 / 25 * 25 a little more than 14."""
    [start] = sample(decoder, [task(decoder, 9)])
    for run, steps in ((15, 22), (14, 25)):
        seen = []
        edit = task(decoder, 1, start, (run + 0.5) / steps, steps=steps)
        sample(decoder, [edit], lambda *step, seen=seen: seen.append(step))
        assert seen[-1] == (run, run)


@pytest.mark.parametrize("family", [name for name in TINIES if name not in EDITING])
def test_a_start_is_refused_by_a_pipeline_that_takes_none(family, decoder):
    [start] = sample(decoder, [task(decoder, 9)])
    with pytest.raises(ValueError, match=f"start: {family} cannot begin with a medium"):
        decoder.batch_key(task(decoder, 1, start))


@pytest.mark.parametrize("family", TINIES)
def test_all_but_condition_seed_and_start_decides_the_batch(family, decoder):
    own = decoder.batch_key(task(decoder, 1))
    assert own == decoder.batch_key(task(decoder, 2, steps=3, guidance=decoder.config.guidance))
    assert own != decoder.batch_key(task(decoder, 1, guidance=2.0))
    assert own != decoder.batch_key(task(decoder, 1, steps=4))


REFUSED = {
    "image": [({"frames": 9}, "frames: an image"), ({"seconds": 1.0}, "seconds: an image")],
    "audio": [({"frames": 9}, "frames: a sound"), ({"size": 32}, "size: a sound")],
    "video": [
        ({"seconds": 1.0}, "seconds: a video"),
        ({"frames": 10}, r"frames: 10 cannot .* of [48]; 9 or 1[37] can"),
    ],
}


@pytest.mark.parametrize("family", TINIES)
def test_what_a_family_cannot_do_is_refused_by_a_sentence(family, decoder):
    refused = [({"steps": 1000}, "steps: 1000 denoising steps are too many")]
    refused += REFUSED[decoder.modality]
    if decoder.modality != "audio":
        refused += [({"size": 33}, "size: 33 pixels are no multiple of .*; (34|36|40|48|64) are")]
    if not FAMILIES[family].solvers:
        refused += [({"scheduler": "ddim"}, f"scheduler: {family} has its own")]
    if FAMILIES[family].embedded:
        refused += [({"negative": "a cat"}, "negative: this decoder is guided without")]
    else:
        refused += [({"guidance": 0.5}, "guidance: 0.5 is less than none; give 1 or more")]
    if family == "StableAudioPipeline":
        refused += [({"seconds": 3.0}, "seconds: 3 s cannot be made; .* 2 s or less")]
    for options, sentence in refused:
        with pytest.raises(ValueError, match=sentence):
            sample(decoder, [task(decoder, 1, **options)])


@pytest.mark.parametrize("family", [name for name in TINIES if FAMILIES[name].solvers])
def test_noise_levels_are_walked_by_any_of_our_schedulers(family, decoder):
    names = ["dpm++", "ddim", "euler", "unipc"]
    made = [sample(decoder, [task(decoder, 1, scheduler=name, steps=5)])[0] for name in names]
    assert len(set(map(medium_bytes, made))) == 4


@pytest.mark.parametrize("family", ["StableDiffusionXLPipeline", "StableAudioPipeline"])
def test_what_is_not_wanted_takes_the_place_of_zeros(family, decoder):
    plainly, negative, unguided = (
        sample(decoder, [task(decoder, 1, **options)])[0]
        for options in ({}, {"negative": "a cat"}, {"guidance": 1.0})
    )
    assert difference(plainly, negative) > 0
    assert difference(plainly, unguided) > 0


@pytest.mark.parametrize("family", TINIES)
def test_a_denoiser_of_half_precision_works_beside_an_autoencoder_of_full(family, decoder):
    [exact] = sample(decoder, [task(decoder, 1)])
    for name, parameter in decoder.named_parameters():
        if not name.startswith(decoder.safe):
            parameter.data = parameter.data.bfloat16()
    [rough] = sample(decoder, [task(decoder, 1)])
    assert decoder.parts["vae"].dtype == torch.float32
    assert values(rough).shape == values(exact).shape
    scale = 255 if decoder.modality != "audio" else 1
    assert (values(rough) - values(exact)).abs().float().mean() / scale < 0.1
    if family in EDITING:
        sample(decoder, [task(decoder, 2, rough)])
        assert decoder.parts["vae"].dtype == torch.float32


def test_the_table_knows_each_pipeline_by_its_class():
    assert set(FAMILIES) == set(TINIES)
    for name, family in FAMILIES.items():
        assert hasattr(diffusers, name)
        assert not family.editing or hasattr(diffusers, family.editing)

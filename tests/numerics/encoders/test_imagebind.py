"""ImageBind against the published computation: golden tensors of support/imagebind_golden.py."""

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPImageProcessorPil
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from anygen.core.media import Audio, Image, Video
from encoders.imagebind import Config, ImageBind
from encoders.parts.imagebind.pictures import clip_frames, image_views, video_views
from encoders.parts.imagebind.sounds import centred, clip_samples, filter_bank, sound_views
from encoders.parts.imagebind.texts import clean
from encoders.parts.imagebind.towers import Words
from support.imagebind_golden import (
    GOLDEN,
    JOINT,
    SIZES,
    SPARSE,
    fill,
    frames,
    sound,
    tower,
    tower_inputs,
)

KINDS = ["vision", "video", "text", "audio", "depth", "thermal", "imu"]
ATOL = 1e-5


@pytest.fixture(scope="module")
def golden():
    return load_file(GOLDEN)


@pytest.fixture(scope="module")
def inputs():
    return tower_inputs()


@pytest.fixture
def model():
    config = Config(towers=tuple(SIZES), sizes=SIZES, joint=JOINT, tokenizer="none.json")
    model = ImageBind(config, tokenizer=None)
    fill(model)
    return model


def error(kind, model, inputs, golden):
    return float((model(tower(kind), inputs[kind]) - golden[kind]).abs().max())


@pytest.mark.parametrize("kind", KINDS)
def test_a_tower_answers_as_published(kind, model, inputs, golden):
    assert golden[kind].std(-1).min() > 0.1  # there is something to compare
    assert error(kind, model, inputs, golden) < ATOL


def change_scale(model):
    for postprocessor in model.modality_postprocessors.values():
        for layer in postprocessor:
            if hasattr(layer, "log_logit_scale"):
                layer.log_logit_scale += 1e-4


def drop_extra_keys(model):
    for module in model.modules():
        if isinstance(module, nn.MultiheadAttention):
            module.bias_k = module.bias_v = None


def change_epsilon(model):
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps *= 100


def approximate_gelu(model):
    for module in model.modules():
        if isinstance(module, nn.GELU):
            module.approximate = "tanh"


def halve_heads(model):
    for module in model.modules():
        if isinstance(module, nn.MultiheadAttention):
            module.num_heads, module.head_dim = 1, module.embed_dim


def look_ahead(model):
    for module in model.modules():
        if isinstance(module, Words):
            module.mask.zero_()


PATCHED = ["audio", "depth", "thermal", "imu"]


@pytest.mark.parametrize(
    ("alter", "kinds"),
    [
        (change_scale, ["text", *PATCHED]),
        (drop_extra_keys, PATCHED),
        (change_epsilon, KINDS),
        (approximate_gelu, KINDS),
        (halve_heads, KINDS),
        (look_ahead, ["text"]),
    ],
)
def test_one_altered_constant_shows(alter, kinds, model, inputs, golden):
    with torch.no_grad():
        alter(model)
    for kind in kinds:
        assert error(kind, model, inputs, golden) > ATOL, kind


@pytest.mark.parametrize("kind", ["vision", "video", "audio"])
def test_patches_are_those_of_nextgpt_but_never_scaled(kind, model, inputs, golden):
    scale = 20 if kind == "audio" else 1
    [patches] = model.read(tower(kind), inputs[kind][:1], patches=True)
    expected = golden[f"{kind}.patches"].view(-1, JOINT) / scale
    torch.testing.assert_close(patches, expected, atol=ATOL, rtol=0)


def test_a_sound_is_heard_as_published(golden):
    views = sound_views(Audio(sound(), 44_100), (128, 204))[..., SPARSE]
    torch.testing.assert_close(views, golden["sound"], atol=ATOL, rtol=0)
    quicker = sound_views(Audio(sound(), 44_000), (128, 204))[..., SPARSE]
    assert (quicker - golden["sound"]).abs().max() > 1e-2


def test_a_video_is_seen_as_published(golden):
    views = video_views(Video(frames(), 10.0), (224, 224))[..., SPARSE, SPARSE]
    torch.testing.assert_close(views, golden["frames"], atol=ATOL, rtol=0)
    high = video_views(Video(frames().transpose(2, 3), 10.0), (224, 224))  # the crops are below
    torch.testing.assert_close(high.transpose(3, 4)[..., SPARSE, SPARSE], views)


def test_clips_of_a_sound_begin_where_pytorchvideo_has_them():
    """Values of its ConstantClipsPerVideoSampler; half of all lengths are rounded down twice."""
    starts = {total: [start for start, _ in clip_samples(total)] for total in (32_004, 42_089)}
    assert starts == {32_004: [0, 1, 3], 42_089: [0, 5_044, 10_088]}
    assert clip_samples(64_000) == [(0, 32_000), (16_000, 48_000), (32_000, 64_000)]
    assert clip_samples(400) == [(0, 32_000)] * 3


def test_means_of_clips_are_subtracted_in_place():
    """As waveform2melspec does, which changes what later clips overlap."""
    wave = torch.linspace(0, 2, 48_001, dtype=torch.float64)[None].repeat(2, 1)
    places, samples = clip_samples(48_001), wave.clone()
    theirs = []
    for first, last in places:
        clip = samples[:, first:last]
        clip -= clip.mean()
        theirs.append(clip.clone())
    for ours, expected in zip(centred(Audio(wave, 16_000), places), theirs, strict=True):
        torch.testing.assert_close(ours, expected)
    apart = wave[:, slice(*places[2])]
    assert (theirs[2] - (apart - apart.mean())).abs().max() > 0.1


def test_clips_are_spread_evenly_over_a_video():
    assert clip_frames(1, 25.0) == [(0, 0)] * 5
    assert clip_frames(3, 0.1) == [(0, 0), (1, 1), (2, 2), (2, 2), (2, 2)]  # slower than the clips
    assert clip_frames(30, 10.0) == [(0, 19), (3, 22), (5, 24), (8, 27), (10, 29)]


@pytest.mark.parametrize(("height", "width"), [(300, 226), (224, 224), (40, 90), (1000, 666)])
def test_an_image_is_seen_as_clip_sees_it(height, width):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)
    [ours] = image_views(Image(pixels), (224, 224))
    processor = CLIPImageProcessorPil()
    theirs = processor(Pillow.fromarray(pixels.permute(1, 2, 0).numpy()), return_tensors="pt")
    torch.testing.assert_close(ours, theirs["pixel_values"][0], atol=ATOL, rtol=0)


def test_an_odd_margin_is_rounded_to_even_on_both_sides():
    """Torchvision rounds it so, where CLIP's own processor always rounds down."""
    columns = torch.arange(227, dtype=torch.uint8).expand(3, 224, 227)
    [view] = image_views(Image(columns), (224, 224))
    first = float(view[0, 0, 0] * 0.26862954 + 0.48145466) * 255
    assert first == pytest.approx(2)  # of a margin of 1.5


@pytest.mark.filterwarnings("ignore:At least one mel filter")  # the fourth of 128 is too narrow
def test_the_filter_bank_is_kaldis():
    wave = sound()[0, :32_000].double()
    theirs = spectrogram(
        wave.numpy(),
        window_function(400, "hann", periodic=False),
        frame_length=400,
        hop_length=160,
        fft_length=512,
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=mel_filter_bank(
            257, 128, 20, 8000, 16_000, None, "kaldi", triangularize_in_mel_space=True
        ),
        log_mel="log",
        mel_floor=1.192092955078125e-07,
        remove_dc_offset=True,
    )
    np.testing.assert_allclose(filter_bank(wave, 128).T.numpy(), theirs, atol=ATOL)
    other = filter_bank(1.001 * wave, 128).T.numpy()
    assert np.abs(other - theirs).max() > 100 * ATOL


def test_a_sound_shorter_than_a_frame_is_one_frame_and_silence():
    views = sound_views(Audio(torch.ones(1, 10) * torch.arange(10) / 10, 16_000), (128, 204))
    silence = 4.268 / 9.138
    assert views.shape == (3, 1, 128, 204)
    assert (views[..., 0] != silence).any()
    assert torch.allclose(views[..., 1:], torch.tensor(silence))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("  two   CATS\n&amp;  a dog ", "two cats & a dog"),
        ("&amp;lt;b&amp;gt;", "<b>"),
        ("\u201ccurly\u201d it\u2019s", '"curly" it\'s'),
        ("caf\u00c3\u00a9 \ufb01ne", "caf\u00e9 fine"),
    ],
)
def test_texts_are_cleaned_as_clips(written, read):
    assert clean(written) == read

"""Decoders of published weights against diffusers' own pipelines, on tiny replicas."""

import numpy as np
import pytest
import torch
from diffusers import AudioLDMPipeline, StableDiffusionPipeline, TextToVideoSDPipeline

from anygen.core.media import Audio, Image, Video
from anygen.testing.decoders import same, values
from decoders.base import RenderRequest, SampleOptions, never, no_progress
from decoders.parts import latent_diffusion as diffusion
from decoders.parts.mel import PretrainedMelPictures
from support import pretrained_decoders as pipelines
from support.tiny_decoders import make_published

CAPTIONS = ["a red cat", "", "a piano, " * 20]
KINDS = {
    "sd15": StableDiffusionPipeline,
    "sd21": StableDiffusionPipeline,
    "zeroscope": TextToVideoSDPipeline,
    "audioldm": AudioLDMPipeline,
}
NAMES = [*KINDS, "animatediff"]


def their_pipeline(name, folder):
    if name == "animatediff":
        return pipelines.animatediff_pipeline(folder / "sd15", folder / "motion")
    return pipelines.pipeline_of(KINDS[name], folder / name)


def their_conditions(pipeline, captions):
    if isinstance(pipeline, AudioLDMPipeline):
        return pipeline._encode_prompt(captions, "cpu", 1, False)[:, None]
    return pipeline.encode_prompt(captions, "cpu", 1, False)[0]


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_captions_have_the_condition_of_the_pipeline(name, published):
    ours, pipeline = make_published(name, published), their_pipeline(name, published)
    conditions, spec = ours.encode_prompt(CAPTIONS), ours.condition_spec
    assert conditions.shape == (3, spec.tokens, spec.width)
    torch.testing.assert_close(conditions, their_conditions(pipeline, CAPTIONS))
    torch.testing.assert_close(ours.encode_prompt([""]), conditions[1:2])
    assert (conditions[0] - conditions[2]).abs().max() > 1e-3


@pytest.mark.parametrize("scheduler", ["dpm++", "unipc"])
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_media_are_those_of_the_pipeline(name, scheduler, published):
    ours, pipeline = make_published(name, published), their_pipeline(name, published)
    pipeline.scheduler = diffusion.make_solver(pipeline.scheduler, scheduler)
    options = SampleOptions(steps=6, guidance=4.0, scheduler=scheduler)
    conditions = ours.encode_prompt(["a red cat", "a blue ball"])
    requests = [
        RenderRequest(condition, seed, options) for seed, condition in enumerate(conditions)
    ]
    theirs = their_media(ours, pipeline, conditions)
    media = ours.sample(requests, no_progress, never)
    assert difference(media, theirs) <= (0.01 if name == "audioldm" else 0.51)  # rounding
    assert difference(media[::-1], theirs) > 5  # a negative control
    vae = ours.image.vae if name == "animatediff" else ours.vae
    vae.std.mul_(1.5)
    assert difference(ours.sample(requests, no_progress, never), theirs) > 3  # and another


def their_media(decoder, pipeline, conditions):
    """(B, ...) in units of 1/255, of requests with the seeds 0, 1, ..."""
    generators = diffusion.seeded(range(len(conditions)))
    settings = {
        "prompt_embeds": conditions,
        "negative_prompt_embeds": decoder.encode_prompt([""]).expand_as(conditions),
        "latents": decoder.noise(decoder.latent_shape, generators),
        "num_inference_steps": 6,
        "guidance_scale": 4.0,
        "output_type": "np",
    }
    if isinstance(pipeline, AudioLDMPipeline):
        for key in ("prompt_embeds", "negative_prompt_embeds"):
            settings[key] = settings[key][:, 0]
        return pipeline(**settings).audios * 255
    if len(decoder.latent_shape) == 4:
        height, width = (side * 2 for side in decoder.latent_shape[2:])
        size = {"height": height, "width": width, "num_frames": decoder.latent_shape[1]}
        return np.stack(pipeline(**settings, **size).frames) * 255
    return pipeline(**settings).images * 255


def difference(media, theirs):
    """The largest, in units of 1/255."""
    match media[0]:
        case Image():
            ours = torch.stack([image.pixels.permute(1, 2, 0) for image in media])
        case Video():
            ours = torch.stack([video.frames.permute(0, 2, 3, 1) for video in media])
        case Audio():
            ours = torch.cat([sound.samples * 255 for sound in media])
    return float((ours.double() - torch.as_tensor(theirs)).abs().max())


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_latents_are_those_that_the_pipeline_decodes(name, published):
    ours, pipeline = make_published(name, published), their_pipeline(name, published)
    [medium] = sample(ours, ["a red cat"])
    latents = ours.to_latents([medium])
    assert latents.shape == (1, *ours.latent_shape)
    decoded = pipeline.vae.decode(frames_of(latents) / pipeline.vae.config.scaling_factor).sample
    [again] = ours.from_latents(latents)
    if isinstance(medium, Audio):
        decoded = pipeline.mel_spectrogram_to_waveform(decoded)
        torch.testing.assert_close(again.samples, decoded, atol=1e-5, rtol=0)
        return
    expected = ((decoded.clamp(-1, 1) + 1) * 127.5).reshape(values(again).shape)
    assert (values(again) - expected).abs().max() <= 0.51


def frames_of(latents):
    """(B, C, frames, h, w) -> (B * frames, C, h, w)."""
    return latents.transpose(1, 2).flatten(0, 1) if latents.ndim == 5 else latents


def sample(decoder, captions, **options):
    conditions = decoder.encode_prompt(captions)
    requests = [
        RenderRequest(c, seed, SampleOptions(**options)) for seed, c in enumerate(conditions)
    ]
    return decoder.sample(requests, no_progress, never)


@torch.no_grad()
def test_a_sound_is_as_long_as_asked_for(published):
    decoder = make_published("audioldm", published)
    for seconds in (0.04, 0.1, 0.333):
        [sound] = sample(decoder, ["a piano"], seconds=seconds)
        assert sound.samples.shape == (1, round(16_000 * seconds))
    [sound] = sample(decoder, ["a piano"])  # as the U-Net's sample_size says: 8 latents
    assert sound.samples.shape == (1, 8 * 2 * 160)
    assert sound.rate == 16_000


@torch.no_grad()
def test_a_video_has_any_size_and_up_to_as_many_frames_as_were_learned(published):
    decoder = make_published("animatediff", published)
    [video] = sample(decoder, ["a cat"], size=8, frames=6)
    assert video.frames.shape == (6, 3, 8, 8)
    with pytest.raises(ValueError, match=r"frames: 7 cannot be made: .* in up to 6 frames"):
        sample(decoder, ["a cat"], frames=7)
    decoder = make_published("zeroscope", published)
    [video] = sample(decoder, ["a cat"], frames=5)
    assert video.frames.shape == (5, 3, 16, 24)
    assert video.fps == 8


def test_the_spectrogram_is_that_of_audioldm():
    """Magnitudes of a DFT of its own, librosa's filters by their formula, log at 1e-5."""
    config = pipelines.SpeechT5HifiGanConfig(model_in_dim=64, upsample_rates=[8, 20])
    mel = PretrainedMelPictures(config)
    samples = torch.randn(1, 1600, generator=torch.Generator().manual_seed(0)) * 0.1
    samples[:, 900:] = 0  # silence is at the floor
    picture = mel(samples)
    assert picture.shape == (1, 1, 10, 64)
    padded = np.pad(samples[0].double().numpy(), 512, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    basis = np.exp(-2j * np.pi * np.outer(np.arange(513), np.arange(1024)) / 1024)
    frames = np.stack([padded[i * 160 :][:1024] * window for i in range(10)])
    magnitudes = np.abs(frames @ basis.T)
    expected = np.log(np.maximum(magnitudes @ slaney(64).T, 1e-5))
    np.testing.assert_allclose(picture[0, 0].numpy(), expected, atol=2e-3)


def slaney(bands):
    """(bands, 513) at 16 kHz: linear below 1 kHz, then 27 steps per factor of 6.4 (Slaney 1998)."""

    def to_mel(hertz):
        return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)

    def to_hertz(mel):
        return mel * 200 / 3 if mel < 15 else 1000 * np.exp((mel - 15) * np.log(6.4) / 27)

    edges = [to_hertz(mel) for mel in np.linspace(0, to_mel(8000), bands + 2)]
    bins = np.arange(513) * 16_000 / 1024
    rows = []
    for low, center, high in zip(edges, edges[1:], edges[2:]):
        rising, falling = (bins - low) / (center - low), (high - bins) / (high - center)
        rows.append(np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low))
    return np.array(rows)


def test_sounds_are_heard_as_loud_as_those_of_training():
    mel = PretrainedMelPictures(pipelines.SpeechT5HifiGanConfig())
    level = mel.level(torch.tensor([1.0, 3.0, 2.0]))
    torch.testing.assert_close(level, torch.tensor([-0.5, 0.5, 0.0]))
    assert not mel.level(torch.zeros(3)).any()


@pytest.fixture
def threads():
    """Sets how many threads torch computes with, until the test is over."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_a_row_does_not_depend_on_its_company(name, published, threads, count):
    """To the last bit, as with weights of our own."""
    threads(count)
    decoder = make_published(name, published)
    conditions = [decoder.encode_prompt([caption])[0] for caption in ("a red cat", "", "a piano")]
    requests = [RenderRequest(condition, seed) for seed, condition in enumerate(conditions)]
    alone = [decoder.sample([request], no_progress, never)[0] for request in requests]
    for rows in ([1, 0], [2, 0, 1]):
        made = decoder.sample([requests[row] for row in rows], no_progress, never)
        assert all(same(medium, alone[row]) for medium, row in zip(made, rows, strict=True))

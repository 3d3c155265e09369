"""Features of published models, against transformers called directly on the same folder."""

import PIL.Image
import pytest
import soxr
import torch
from torch.nn import functional
from transformers import (
    AutoTokenizer,
    BlipImageProcessorPil,
    ClapFeatureExtractor,
    CLIPImageProcessorPil,
    Siglip2ImageProcessorPil,
    SiglipImageProcessorPil,
)

from anygen.config.plugins import Plugin
from anygen.core.media import Audio, Image, Video
from anygen.model.building import build_encoder
from support.pretrained_encoders import publish

PROCESSORS = {
    "clip": CLIPImageProcessorPil,
    "siglip": SiglipImageProcessorPil,
    "siglip2": Siglip2ImageProcessorPil,
}
TEXTS = ["a red ball", "", "a piano melody " * 20]


@pytest.fixture
def encoder(tmp_path):
    """Builds one from what was published in the temporary folder."""
    return lambda name, **settings: build_encoder(
        Plugin(name=name, pretrained=str(tmp_path), **settings), tmp_path
    )


@pytest.fixture
def noise():
    """Of no regular size, so that a wrong crop shows."""
    generator = torch.Generator().manual_seed(0)
    return Image(torch.randint(0, 256, (3, 45, 70), dtype=torch.uint8, generator=generator))


@pytest.fixture
def clip_of_noise():
    generator = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 256, (8, 3, 60, 90), dtype=torch.uint8, generator=generator)
    return Video(frames, 8.0)


def close(left, right):
    torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-5)


def pil(pixels):
    return PIL.Image.fromarray(pixels.permute(1, 2, 0).numpy())


@torch.no_grad()
def hidden(kind, model, folder, pixels):
    inputs = PROCESSORS[kind].from_pretrained(folder)(pil(pixels), return_tensors="pt")
    states = model.vision_model(**inputs, output_hidden_states=True).hidden_states
    return [state[0] for state in states], inputs


@torch.no_grad()
@pytest.mark.parametrize("class_token", [False, True])
def test_blip_2_gives_the_features_that_its_q_former_reads(class_token, tmp_path, encoder, noise):
    model = publish("blip2", tmp_path)
    inputs = BlipImageProcessorPil.from_pretrained(tmp_path)(pil(noise.pixels), return_tensors="pt")
    [expected] = model.vision_model(**inputs).last_hidden_state
    found = encoder("clip", select_layer=-1, class_token=class_token)
    close(found.encode([noise])[0], expected[0 if class_token else 1 :])
    assert found.length("image") == (17 if class_token else 16)


@pytest.mark.parametrize("layer", [-2, -1, 0])
@pytest.mark.parametrize("kind", PROCESSORS)
def test_clip_gives_the_patches_of_the_selected_layer(kind, layer, tmp_path, encoder, noise):
    states, inputs = hidden(kind, publish(kind, tmp_path), tmp_path, noise.pixels)
    [found] = encoder("clip", select_layer=layer).encode([noise])
    shown = int(inputs["pixel_attention_mask"].sum()) if kind == "siglip2" else 16
    first = 1 if kind == "clip" else 0
    close(found[:shown], states[layer][first : first + shown])
    assert (found[shown:] == 0).all()
    assert len(found) == (20 if kind == "siglip2" else 16)
    other = states[-1 if layer == -2 else -2][first : first + shown]
    assert not torch.allclose(found[:shown], other, atol=1e-2)


def test_clips_class_token_stands_first_where_it_is_wanted(tmp_path, encoder, noise):
    states, _ = hidden("clip", publish("clip", tmp_path), tmp_path, noise.pixels)
    found = encoder("clip", class_token=True)
    close(found.encode([noise])[0], states[-2])
    assert found.length("image") == 17


@pytest.mark.parametrize("kind", PROCESSORS)
def test_a_video_is_its_frames_averaged_or_one_after_the_other(
    kind, tmp_path, encoder, clip_of_noise
):
    publish(kind, tmp_path)
    one, mean, joined = (
        encoder("clip", frames=2, **settings) for settings in ({}, {}, {"video": "concat"})
    )
    frames = one.encode([Image(clip_of_noise.frames[index]) for index in (2, 6)])
    close(mean.encode([clip_of_noise])[0], torch.stack(frames).mean(0))
    close(joined.encode([clip_of_noise])[0], torch.cat(frames))
    assert joined.length("video") == 2 * joined.length("image") == 2 * mean.length("video")


@torch.no_grad()
@pytest.mark.parametrize("kind", PROCESSORS)
def test_clip_embeds_pictures_videos_and_texts_in_one_space(
    kind, tmp_path, encoder, noise, clip_of_noise
):
    model, joint = publish(kind, tmp_path), encoder("clip", joint=True, frames=2)
    pictures = [noise.pixels, *clip_of_noise.frames[[2, 6]]]
    inputs = PROCESSORS[kind].from_pretrained(tmp_path)(
        list(map(pil, pictures)), return_tensors="pt"
    )
    seen = functional.normalize(model.get_image_features(**inputs).pooler_output)
    words = AutoTokenizer.from_pretrained(tmp_path)(
        TEXTS, padding="max_length", max_length=24, truncation=True, return_tensors="pt"
    )
    read = functional.normalize(
        model.get_text_features(words.input_ids, words.attention_mask).pooler_output
    )
    found = joint.embed([TEXTS[0], noise, *TEXTS[1:], clip_of_noise])
    moving = functional.normalize(seen[1:].mean(0), dim=0)
    close(found, torch.stack([read[0], seen[0], read[1], read[2], moving]))
    close(joint.encode([noise]), encoder("clip").encode([noise]))


def spectrograms(folder, *waves):
    extractor = ClapFeatureExtractor.from_pretrained(folder)
    arrays = [wave.numpy() for wave in waves]
    return extractor(arrays, sampling_rate=48_000, return_tensors="pt").input_features


@torch.no_grad()
@pytest.mark.parametrize("kind", ["clap", "fused_clap"])
def test_clap_gives_the_patches_and_their_mean(kind, tmp_path, encoder, audio):
    model = publish(kind, tmp_path)
    wave = torch.from_numpy(soxr.resample(audio.samples.mean(0).numpy(), 16_000, 48_000))
    output = model.audio_model(
        spectrograms(tmp_path, wave), is_longer=torch.zeros(1, 1, dtype=torch.bool)
    )
    [found], [pooled] = (
        encoder("clap").encode([audio]),
        encoder("clap", features="pooled").encode([audio]),
    )
    close(found, output.last_hidden_state[0].flatten(1).T)
    close(pooled, output.pooler_output)
    close(found.mean(0), pooled[0])
    [slower] = encoder("clap").encode([Audio(audio.samples, 12_000)])
    assert not torch.allclose(found, slower, atol=1e-2)


@torch.no_grad()
def test_clap_embeds_sounds_and_texts_in_one_space(tmp_path, encoder, audio):
    model, joint = publish("clap", tmp_path), encoder("clap", joint=True)
    wave = torch.from_numpy(soxr.resample(audio.samples.mean(0).numpy(), 16_000, 48_000))
    heard = model.get_audio_features(spectrograms(tmp_path, wave)).pooler_output
    words = AutoTokenizer.from_pretrained(tmp_path)(
        TEXTS, padding=True, max_length=24, truncation=True, return_tensors="pt"
    )
    read = model.get_text_features(words.input_ids, words.attention_mask).pooler_output
    close(joint.embed([audio, *TEXTS]), torch.cat([heard, read]))
    close(joint.encode([audio]), encoder("clap").encode([audio]))


def test_of_a_long_sound_clap_hears_even_pieces(tmp_path, encoder):
    publish("clap", tmp_path)
    samples = torch.rand(1, 5 * 48_000, generator=torch.Generator().manual_seed(0)) - 0.5
    piece = 2 * 48_000 // 5
    starts = torch.linspace(0, samples.shape[1] - piece, 5).long().tolist()
    heard = torch.cat([samples[:, start : start + piece] for start in starts], 1)
    close(*encoder("clap").encode([Audio(samples, 48_000), Audio(heard, 48_000)]))


@torch.no_grad()
def test_vjepa2_keeps_a_grid_of_every_pair_of_frames(tmp_path, encoder, clip_of_noise):
    model = publish("vjepa2", tmp_path)
    frames = [looked_at(frame) for frame in clip_of_noise.frames[[1, 3, 5, 7]]]
    states = model.get_vision_features(torch.stack(frames)[None])[0]  # 2 pairs of 4 x 4 cells
    whole, kept = (encoder("vjepa2", frames=4, grid=grid) for grid in (4, 2))
    close(whole.encode([clip_of_noise])[0], states)
    quarters = states.view(2, 2, 2, 2, 2, -1).mean((2, 4)).flatten(0, 2)
    close(kept.encode([clip_of_noise])[0], quarters)
    assert kept.length("video") == len(quarters) == 8


def looked_at(frame):
    """Short side 64 bilinearly, the middle 56 pixels, ImageNet's mean and spread."""
    picture = pil(frame).resize((64 * 90 // 60, 64), PIL.Image.Resampling.BILINEAR)
    left, top = (picture.width - 56) // 2, (picture.height - 56) // 2
    middle = picture.crop((left, top, left + 56, top + 56))
    pixels = torch.tensor(list(middle.get_flattened_data())).view(56, 56, 3).permute(2, 0, 1) / 255
    mean, spread = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    return (pixels - mean) / spread

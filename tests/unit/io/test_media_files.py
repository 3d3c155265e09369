import io
import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from anygen.core.media import Audio, Image, Video
from anygen.io.formats import pictures
from anygen.io.media_files import MediaError, printable, read_bytes, read_media, write_media
from support.odd_media import animation, noise, png, saved, sound, sound_of, turned_video, wav


def clip_bytes(frame_count: int, size: tuple[int, int] = (64, 48), **options) -> bytes:
    """A video of 10 frames a second that gets brighter, as bytes."""
    form, codec = options.get("form", "mp4"), options.get("codec", "libx264")
    stream = io.BytesIO()
    with av.open(stream, "w", format=form, options=options.get("options", {})) as container:
        track = container.add_stream(codec, rate=Fraction(10))
        track.width, track.height, track.pix_fmt = *size, "yuv420p"
        for index in range(frame_count):
            shade = 255 * index // frame_count
            picture = np.full((size[1], size[0], 3), shade, np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(track.encode(None))
    return stream.getvalue()


def wav_of(values: list[float]) -> bytes:
    return wav(8000, 1, 32, np.array(values, "<f4").tobytes(), code=3)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_picture_is_read_from_every_format(form):
    image = read_bytes(saved(PILImage.new("RGB", (7, 5), (200, 100, 50)), form=form), "x")
    assert isinstance(image, Image)
    assert image.pixels.shape == (3, 5, 7)
    assert image.pixels.dtype == torch.uint8
    assert (image.pixels[:, 2, 3].int() - torch.tensor([200, 100, 50])).abs().max() <= 6


def test_the_content_decides_not_the_suffix(tmp_path):
    path = tmp_path / "photo.wav"
    path.write_bytes(saved(PILImage.new("RGB", (4, 4)), form="PNG"))
    assert isinstance(read_media(path), Image)


def test_a_photo_is_turned_as_the_camera_was_held():
    picture = PILImage.new("RGB", (6, 4), "black")
    exif = PILImage.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    image = read_bytes(saved(picture, form="JPEG", exif=exif), "x")
    assert image.pixels.shape == (3, 6, 4)


def test_transparent_pixels_are_white():
    image = read_bytes(saved(PILImage.new("RGBA", (2, 2), (0, 0, 0, 0)), form="PNG"), "x")
    assert image.pixels.min() == 255


def test_a_palette_with_transparency_is_laid_on_white():
    picture = PILImage.new("P", (2, 2), 0)
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putpixel((1, 1), 1)
    image = read_bytes(saved(picture, form="PNG", transparency=0), "x")
    assert image.pixels[:, 0, 0].tolist() == [255, 255, 255]
    assert image.pixels[:, 1, 1].tolist() == [0, 255, 0]


def test_sixteen_bit_grey_is_scaled_not_clipped():
    ramp = np.array([[0, 32896, 65535]], dtype=np.uint16)
    image = read_bytes(saved(PILImage.fromarray(ramp), form="PNG"), "x")
    assert image.pixels[:, 0].T.tolist() == [[0] * 3, [128] * 3, [255] * 3]


def test_cmyk_becomes_rgb():
    image = read_bytes(saved(PILImage.new("CMYK", (8, 8), (0, 255, 255, 0)), form="JPEG"), "x")
    red, green, blue = image.pixels[:, 4, 4].tolist()
    assert red > 200
    assert green < 60
    assert blue < 60


@pytest.mark.parametrize("form", ["GIF", "WEBP"])
def test_an_animation_is_a_video_even_in_time(form):
    shades = (0, 100, 200)
    first, *rest = (PILImage.new("RGB", (6, 4), (s, s, s)) for s in shades)
    data = saved(
        first, form=form, save_all=True, append_images=rest, duration=[100, 100, 200], loop=0
    )
    video = read_bytes(data, "x")
    assert isinstance(video, Video)
    assert video.frames.shape == (3, 3, 4, 6)
    assert video.seconds == pytest.approx(0.4)
    # The last frame stays as long as both others: two of the three moments fall into it.
    shades = video.frames.float().mean(dim=(1, 2, 3))
    assert shades.tolist() == pytest.approx([0, 200, 200], abs=8)


@pytest.mark.parametrize(
    ("form", "codec", "rate"),
    [
        ("wav", "pcm_u8", 16000),
        ("wav", "pcm_s16le", 16000),
        ("wav", "pcm_s24le", 16000),
        ("wav", "pcm_f32le", 16000),
        ("flac", "flac", 192000),
        ("ogg", "libopus", 48000),
        ("mp3", "libmp3lame", 16000),
        ("mp4", "aac", 16000),
        ("mp4", "alac", 8000),
        ("matroska", "flac", 44100),
    ],
)
def test_a_sound_keeps_its_channels_rate_and_length(form, codec, rate):
    seconds = np.arange(rate // 2) / rate
    tones = np.stack([0.5 * np.sin(2 * np.pi * hertz * seconds) for hertz in (440, 220)])
    read = read_bytes(sound_of(tones.astype(np.float32), form, codec, rate), "x")
    assert isinstance(read, Audio)
    assert read.rate == rate
    assert read.samples.shape[0] == 2
    assert read.seconds == pytest.approx(0.5, abs=2.5 * 1152 / rate)  # lossy codecs fill blocks
    length = min(read.samples.shape[1], rate // 2)
    difference = read.samples[:, :length] - torch.from_numpy(tones[:, :length]).float()
    assert difference.abs().mean() < 0.05


def test_float_sound_that_is_too_loud_is_clipped_and_what_is_no_number_is_silent():
    data = wav_of([0.5, 3.0, -3.0, math.nan, math.inf])
    assert read_bytes(data, "x").samples.tolist() == [[0.5, 1.0, -1.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("form", "codec"),
    [("wav", "pcm_s16le"), ("flac", "flac"), ("mov", "pcm_s16le"), ("matroska", "pcm_f32le")],
)
def test_surround_becomes_stereo_by_one_rule_whatever_the_format(form, codec):
    # left, right, centre, low frequencies, left and right behind: one after the other
    places = np.repeat(0.5 * np.eye(6, dtype=np.float32), 1000, axis=1)
    read = read_bytes(sound_of(places, form, codec, 8000), "x")
    heard = read.samples[:, 500::1000]
    full, half_power = 1 / (1 + 2**0.5), 2**-0.5 / (1 + 2**0.5)
    left = [full, 0, half_power, 0, half_power, 0]
    right = [0, full, half_power, 0, 0, half_power]
    assert torch.allclose(heard, 0.5 * torch.tensor([left, right]), atol=1e-3)


def test_channels_without_names_are_where_their_number_usually_puts_them():
    values = 0.5 * np.eye(6, dtype="<f4").repeat(100, axis=0)  # interleaved
    read = read_bytes(wav(8000, 6, 32, values.tobytes(), code=3), "x")
    named = read_bytes(sound_of(values.T, "wav", "pcm_f32le", 8000), "x")
    assert read.samples.equal(named.samples)


@pytest.mark.parametrize(
    ("form", "codec"),
    [("mp4", "libx264"), ("mov", "libx264"), ("matroska", "libx264"), ("webm", "libvpx-vp9")],
)
def test_a_video_without_sound_is_read_whole(form, codec):
    video = read_bytes(clip_bytes(10, form=form, codec=codec), "x")
    assert isinstance(video, Video)
    assert video.audio is None
    assert video.frames.shape == (10, 3, 48, 64)
    assert video.fps == pytest.approx(10, rel=0.02)
    shades = video.frames[:, 0, -1, -1].int()
    assert (shades[1:] > shades[:-1]).all()


def test_a_long_video_is_sampled_evenly_and_keeps_its_duration():
    video = read_bytes(clip_bytes(200), "x")
    assert video.frames.shape[0] == 64
    assert video.seconds == pytest.approx(20, rel=0.01)
    steps = video.frames[:, 0, -1, -1].int().diff()
    assert steps.min() >= 2
    assert steps.max() <= 6


def test_a_large_video_is_downscaled_to_512():
    assert read_bytes(clip_bytes(1, size=(1280, 720)), "x").frames.shape == (1, 3, 288, 512)


def test_a_video_is_turned_as_the_camera_was_held():
    video = read_bytes(turned_video(), "x")
    assert video.frames.shape == (6, 3, 48, 32)
    # The bright corner was top left; turned left by 90 degrees it is bottom left.
    assert video.frames[0, 0, -4, 4] > 200
    assert video.frames[0, 0, 4, 4] < 60


def test_text_that_is_called_a_picture_is_refused():
    with pytest.raises(MediaError, match=r"^a\.png: holds no picture, sound or video; .*\.png"):
        read_bytes(b"Dear diary, today I renamed a file.", "a.png")


@pytest.mark.parametrize(
    "whole",
    [
        saved(PILImage.effect_noise((64, 64), 50), form="PNG"),
        saved(PILImage.effect_noise((64, 64), 50), form="JPEG"),
        saved(PILImage.effect_noise((64, 64), 50), form="WEBP"),
        saved(PILImage.effect_noise((64, 64), 50), form="BMP"),
        sound("wav", "pcm_s16le"),
        sound("flac", "flac"),
        clip_bytes(30),
        clip_bytes(30, options={"movflags": "frag_keyframe+empty_moov"}),
    ],
    ids=["png", "jpeg", "webp", "bmp", "wav", "flac", "mp4", "fragmented mp4"],
)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_file_is_refused_by_name(whole, share):
    with pytest.raises(MediaError, match=r"^half\.bin: "):
        read_bytes(whole[: int(len(whole) * share)], "half.bin")


@pytest.mark.parametrize("end", [35, 40, 50, 60, 80, 100])
def test_an_animation_that_stops_anywhere_is_refused_by_name(end):
    first, *rest = (PILImage.new("P", (40, 40), shade) for shade in range(4))
    data = saved(first, form="GIF", save_all=True, append_images=rest, duration=50)
    with pytest.raises(MediaError, match=r"^half\.gif: "):
        read_bytes(data[: end * len(data) // 1000], "half.gif")


def test_a_picture_of_more_than_a_hundred_megapixels_is_refused():
    huge = png(20_000, 5_001, 1, 0, b"")
    with pytest.raises(MediaError, match=r"^big: has more than 100 megapixels$"):
        read_bytes(huge, "big")


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF", "AVIF"])
def test_an_animation_of_too_much_work_is_refused(form, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_WORK", 2 * pictures.FRAME_WORK)
    with pytest.raises(MediaError, match=r"^x: this animation is too long for its size$"):
        read_bytes(animation(form, frames=5), "x")


def test_a_picture_of_too_many_bytes_is_refused(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_BYTES", 1_000_000)
    with pytest.raises(MediaError, match=r"^x: a picture of more than 1 MB is not read$"):
        read_bytes(noise("PNG") + bytes(1_000_000), "x")


def test_control_characters_are_left_out_of_a_name():
    assert printable("a\x1b[31m\n\u202eb.png") == "a[31mb.png"


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (33, 64)])
def test_a_picture_survives_its_file(tmp_path, size):
    pixels = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    assert read_media(write_media(Image(pixels), tmp_path / "a.png")).pixels.equal(pixels)


def test_a_sound_survives_its_file(tmp_path, audio):
    read = read_media(write_media(audio, tmp_path / "a.wav"))
    assert read.rate == audio.rate
    assert (read.samples - audio.samples).abs().max() < 1 / 32768


def test_a_sound_that_is_too_loud_does_not_wrap_around(tmp_path):
    audio = Audio(torch.tensor([[2.0, -2.0, 0.0]]), 8000)
    read = read_media(write_media(audio, tmp_path / "a.wav"))
    assert read.samples.tolist() == [[32767 / 32768, -1.0, 0.0]]


def test_a_video_and_its_sound_survive_their_file(tmp_path, video):
    read = read_media(write_media(video, tmp_path / "a.mp4"))
    assert read.frames.shape == video.frames.shape
    assert read.fps == pytest.approx(video.fps)
    assert (read.frames.int() - video.frames.int()).abs().max() <= 4
    assert read.audio.rate == 16000
    assert read.audio.samples.shape[0] == 2
    assert read.audio.seconds == pytest.approx(0.5, abs=0.1)
    heard = read.audio.samples[:, 2000:6000]
    expected = video.audio.samples[:, 2000:6000]
    assert torch.nn.functional.cosine_similarity(heard, expected).min() > 0.95


@pytest.mark.parametrize("size", [(33, 47), (1, 1), (32, 47)])
def test_an_odd_video_is_padded_to_even_sides(tmp_path, size):
    frames = torch.full((3, 3, *size), 90, dtype=torch.uint8)
    read = read_media(write_media(Video(frames, 12.5), tmp_path / "a.mp4"))
    assert read.frames.shape[2:] == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert read.fps == pytest.approx(12.5)
    assert (read.frames.int() - 90).abs().max() <= 4


def test_a_sound_rate_that_aac_does_not_have_is_raised_to_one_it_has(tmp_path, video):
    odd = Video(video.frames, video.fps, Audio(torch.zeros(1, 10_000), rate=10_000))
    read = read_media(write_media(odd, tmp_path / "a.mp4"))
    assert read.audio.rate == 11025
    assert read.audio.seconds == pytest.approx(1.0, abs=0.15)


def test_the_same_video_gives_the_same_bytes(tmp_path, video):
    first, second = (write_media(video, tmp_path / f"{i}.mp4").read_bytes() for i in (1, 2))
    assert first == second
    assert b"mbtree=0" in first  # which x264 records with its settings


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, video):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"precious")
    surround = Video(video.frames, video.fps, Audio(torch.zeros(6, 100), 16000))
    with pytest.raises(MediaError, match="1 or 2 channels, not 6"):
        write_media(surround, path)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_wrong_suffix_is_refused(tmp_path, image):
    with pytest.raises(MediaError, match=r"a\.gif: image is written as \.png or \.jpg or"):
        write_media(image, tmp_path / "a.gif")


def test_a_folder_that_is_not_there_is_made(tmp_path: Path, image):
    assert write_media(image, tmp_path / "new" / "folder" / "a.png").is_file()

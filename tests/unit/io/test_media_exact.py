"""What `write_exact` writes is read back bit by bit."""

import pytest
import torch
from torch import Tensor

from anygen.core.media import Audio, Image, Video
from anygen.io.media_files import MediaError, read_media, write_exact


def noise(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8)


def sound(channels: int, length: int, rate: int) -> Audio:
    samples = torch.rand(channels, length) * 2 - 1
    samples[:, :4] = torch.tensor([1.0, -1.0, 1e-30, 0.0])
    return Audio(samples, rate)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (64, 33)])
def test_a_picture(tmp_path, size):
    image = Image(noise(3, *size))
    path = write_exact(image, tmp_path / "a")
    assert path == tmp_path / "a.png"
    assert read_media(path).pixels.equal(image.pixels)


@pytest.mark.parametrize("rate", [8000, 12345, 44100, 192000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_sound(tmp_path, rate, channels):
    audio = sound(channels, 10_001, rate)
    path = write_exact(audio, tmp_path / "a")
    read = read_media(path)
    assert path == tmp_path / "a.wav"
    assert read.rate == rate
    assert read.samples.equal(audio.samples)


@pytest.mark.parametrize(
    "fps", [8, 12.5, 23.976023976, 29.97, 30, 240, 64 / 3599.9, 1 / 3, 7.12345]
)
@pytest.mark.parametrize("size", [(4, 33, 47), (64, 16, 8), (1, 1, 1)])
def test_a_video(tmp_path, fps, size):
    frames, height, width = size
    video = Video(noise(frames, 3, height, width), fps)
    path = write_exact(video, tmp_path / "a")
    read = read_media(path)
    assert path == tmp_path / "a.mov"
    assert read.frames.equal(video.frames)
    assert read.fps == pytest.approx(fps, rel=1e-9)
    assert read.audio is None


@pytest.mark.parametrize("rate", [8000, 12345, 48000, 192000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_video_with_sound(tmp_path, rate, channels):
    video = Video(noise(8, 3, 512, 3), 8.0, sound(channels, 10_001, rate))
    read = read_media(write_exact(video, tmp_path / "a"))
    assert read.frames.equal(video.frames)
    assert read.fps == 8.0
    assert read.audio.rate == rate
    assert read.audio.samples.equal(video.audio.samples)


def test_a_dot_in_a_name_is_no_suffix(tmp_path, image):
    assert write_exact(image, tmp_path / "cat.v2").name == "cat.v2.png"


@pytest.mark.parametrize(
    ("media", "limit"),
    [
        (Video(noise(65, 3, 1, 1), 8.0), "videos of up to 64 frames, 512 pixels a side"),
        (Video(noise(1, 3, 1, 513), 8.0), "videos of up to 64 frames, 512 pixels a side"),
        (Audio(torch.zeros(1, 8000 * 121), 8000), "sounds of up to 120 seconds"),
        (
            Video(noise(1, 3, 1, 1), 8.0, Audio(torch.zeros(1, 8000 * 121), 8000)),
            "sounds of up to 120 seconds",
        ),
    ],
)
def test_what_would_be_read_back_smaller_is_refused(tmp_path, media, limit):
    with pytest.raises(MediaError, match=rf"a\.\w+: only {limit} are kept exactly$"):
        write_exact(media, tmp_path / "a")
    assert not list(tmp_path.iterdir())

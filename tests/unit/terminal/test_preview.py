import re

import pytest
import torch

from anygen.core.media import Audio, Image, Video
from anygen.terminal.graphics import draw
from anygen.terminal.preview import contact_strip, preview, waveform


def without_escapes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_plain_previews_are_one_line_without_escape_codes(image, audio, video):
    assert preview(image, 40, "none") == "[image 48x32]"
    assert preview(audio, 40, "none") == "[audio 0.5 s, 16000 Hz]"
    assert preview(video, 40, "none") == "[video 48x32, 1.0 s, with sound]"
    silent = Video(video.frames, video.fps)
    assert preview(silent, 40, "none") == "[video 48x32, 1.0 s]"


@pytest.mark.parametrize("graphics", ["blocks", "256", "ascii"])
@pytest.mark.parametrize("columns", [1, 2, 6, 7, 9, 20, 48, 200])
def test_no_line_is_wider_than_asked(image, audio, video, columns, graphics):
    for media in (image, audio, video):
        for line in preview(media, columns, graphics).splitlines():
            assert 0 < len(without_escapes(line)) <= columns


def test_an_ascii_preview_is_ascii(image, audio, video):
    assert all(preview(media, 40, "ascii").isascii() for media in (image, audio, video))


def test_a_sound_is_drawn_with_its_duration(audio):
    assert preview(audio, 40, "kitty") == waveform(audio, 34) + " 0.5 s"


def test_a_picture_and_the_strip_of_a_video_are_drawn_with_the_graphics(image, video):
    assert preview(image, 40, "kitty") == draw(image.pixels, "kitty", 40)
    assert preview(video, 40, "kitty") == draw(contact_strip(video.frames), "kitty", 40)


def test_a_picture_keeps_its_proportions():
    wide = Image(torch.zeros(3, 100, 200, dtype=torch.uint8))
    assert len(preview(wide, 40, "blocks").splitlines()) == 10


def test_a_strip_shows_the_first_and_the_last_frame():
    frames = torch.arange(10, dtype=torch.uint8)[:, None, None, None].expand(10, 3, 2, 2)
    strip = contact_strip(frames)
    assert strip.shape == (3, 2, 4 * 2 + 3)
    assert strip[0, 0, [0, 3, 6, 9]].tolist() == [0, 3, 6, 9]


def test_a_video_of_one_frame_has_a_strip():
    assert contact_strip(torch.zeros(1, 3, 4, 4, dtype=torch.uint8)).shape == (3, 4, 19)


def test_a_waveform_rises_with_the_sound():
    samples = torch.cat([torch.zeros(100), torch.full((100,), 0.25), torch.full((100,), -0.5)])
    assert waveform(Audio(samples[None], 100), 3) == "▁▅█"


def test_silence_is_a_flat_line():
    assert waveform(Audio(torch.zeros(2, 50), 100), 5) == "▁" * 5

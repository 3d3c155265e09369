import io
import re

import pytest
import torch

from anygen.media import Audio, Image, Video
from anygen.preview import contact_strip, half_blocks, preview, takes_color, waveform


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def without_escapes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_plain_previews_are_one_line_without_escape_codes(image, audio, video):
    assert preview(image, 40, color=False) == "[image 48x32]"
    assert preview(audio, 40, color=False) == "[audio 0.5 s, 16000 Hz]"
    assert preview(video, 40, color=False) == "[video 48x32, 1.0 s, with sound]"
    silent = Video(video.frames, video.fps)
    assert preview(silent, 40, color=False) == "[video 48x32, 1.0 s]"


def test_no_line_is_wider_than_asked_and_every_line_resets_the_colour(image, audio, video):
    for media in (image, video):
        for line in preview(media, 20, color=True).splitlines():
            assert len(without_escapes(line)) == 20
            assert line.endswith("\x1b[0m")
    assert len(preview(audio, 40, color=True)) <= 40


def test_a_character_is_two_pixels_the_upper_one_in_front():
    pixels = torch.tensor([[[255], [0]], [[0], [0]], [[0], [9]]], dtype=torch.uint8)
    assert half_blocks(pixels, 80) == "\x1b[38;2;255;0;0m\x1b[48;2;0;0;9m▀\x1b[0m"


def test_a_picture_keeps_its_proportions():
    wide = Image(torch.zeros(3, 100, 200, dtype=torch.uint8))
    assert len(preview(wide, 40, color=True).splitlines()) == 10


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


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_only_on_a_terminal_that_wants_it(monkeypatch, stream, environment, expected):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert takes_color(stream) is expected

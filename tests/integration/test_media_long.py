"""An hour of video or sound: sampled evenly over its whole length, in little memory."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from anygen.core.media import Video
from anygen.io.formats import videos
from anygen.io.media_files import MediaError, read_bytes, read_media
from support.odd_media import sound_of, wav

HOUR = 3600  # seconds
MOST = 300_000  # kB
X264 = {"preset": "ultrafast", "tune": "zerolatency"}
MEASURE = """
import sys
from anygen.io.media_files import read_media
def peak():  # in kB; `ru_maxrss` would count the parent's too
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
before = peak()
for path in sys.argv[1:]:
    read_media(path)
sys.stdout.write(str(peak() - before))
"""


def clip(path: Path, form: str, codec: str, sound: str = "", **options) -> Path:
    """An hour of 32x32, a frame a second, that gets brighter and brighter."""
    web = {"movflags": "faststart"} if form == "mp4" else {}
    with av.open(str(path), "w", format=form, options=web) as container:
        track = container.add_stream(codec, rate=1, options=options)
        track.width, track.height, track.pix_fmt = 32, 32, "yuv420p"
        heard = container.add_stream(sound, rate=8000, layout="mono") if sound else None
        for second in range(HOUR):
            shade = np.full((32, 32, 3), second * 255 // HOUR, np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(shade, format="rgb24")))
            if heard:
                container.mux(heard.encode(silence(8000, second)))
        for each in (track, heard) if heard else (track,):
            container.mux(each.encode(None))
    return path


@pytest.fixture(scope="module")
def hour(tmp_path_factory) -> Path:
    return clip(tmp_path_factory.mktemp("hour") / "long", "mp4", "mpeg4", "aac", g="12")


def silence(rate: int, second: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, rate), np.float32), "fltp", "mono")
    frame.sample_rate, frame.pts = rate, second * rate
    return frame


@pytest.mark.parametrize(
    ("form", "codec", "sound", "options"),
    [
        ("mp4", "libx264", "", {**X264, "g": "100000"}),  # one key frame at the beginning
        ("matroska", "libx264", "flac", {**X264, "g": "250"}),
    ],
    ids=["mp4 of one key frame", "mkv"],
)
def test_an_hour_of_video_is_seen_evenly(tmp_path, form, codec, sound, options):
    check_hour(read_media(clip(tmp_path / "long", form, codec, sound, **options)), bool(sound))


def test_an_hour_with_many_key_frames_is_seen_evenly(hour):
    check_hour(read_media(hour), has_sound=True)


def check_hour(video: Video, has_sound: bool) -> None:
    assert len(video.frames) == 64
    assert video.seconds == pytest.approx(HOUR, rel=0.001)
    shades = video.frames.float().mean(dim=(1, 2, 3)).numpy()
    middles = (np.arange(64) + 0.5) / 64 * 255
    assert np.abs(shades - middles).max() < 255 / 64  # each frame is of its own slice, or nearly
    assert (video.audio is not None) == has_sound
    if video.audio:
        assert video.audio.seconds == 120


def hour_at_192_khz(path: Path) -> Path:
    """Silence in stereo, most of it a hole that takes no room on the disk."""
    size = HOUR * 192_000 * 4
    header = bytearray(wav(192_000, 2, 16, b""))
    header[4:8], header[40:44] = (size + 36).to_bytes(4, "little"), size.to_bytes(4, "little")
    with path.open("wb") as stream:
        stream.write(header)
        stream.truncate(len(header) + size)
    return path


def test_an_hour_is_read_in_little_memory(hour, tmp_path):
    paths = [hour, hour_at_192_khz(tmp_path / "b")]
    command = [sys.executable, "-c", MEASURE, *map(str, paths)]
    done = subprocess.run(command, check=True, capture_output=True)
    assert int(done.stdout) < MOST


def test_an_hour_at_192_khz_keeps_its_rate(tmp_path):
    audio = read_media(hour_at_192_khz(tmp_path / "a.wav"))
    assert audio.rate == 192_000
    assert audio.seconds == 120


def test_two_minutes_are_heard_whole():
    assert read_bytes(wav(8000, 1, 8, bytes(8000 * 120)), "x").seconds == 120


@pytest.mark.parametrize(
    ("form", "codec"),
    [
        ("wav", "pcm_u8"),
        ("flac", "flac"),
        ("mp3", "libmp3lame"),
        ("mp4", "aac"),
        ("ogg", "libopus"),
        ("matroska", "pcm_s16le"),
    ],
)
def test_of_a_longer_sound_even_pieces_are_heard(form, codec):
    seconds = np.arange(180 * 8000) / 8000
    rising = 0.5 * np.sin(2 * np.pi * (300 + 3 * seconds) * seconds)  # 300 to 1380 Hz
    audio = read_bytes(sound_of(rising[None].astype(np.float32), form, codec, 8000), "x")
    assert audio.seconds == 120
    pieces = audio.samples[0].reshape(60, -1).numpy()  # two seconds each
    hertz = (np.diff(np.signbit(pieces), axis=1) != 0).sum(axis=1) / 4
    middles = (np.arange(60) + 0.5) / 60 * 180
    assert np.abs(hertz - (300 + 6 * middles)).max() < 3  # within half a second


def test_a_long_sound_in_a_wav_is_cut_at_the_very_sample():
    seconds = np.repeat(np.arange(180), 1000)  # at 1000 Hz
    audio = read_bytes(wav(1000, 1, 8, seconds.astype(np.uint8).tobytes()), "x")
    heard = (audio.samples[0].numpy() * 128 + 128).round().reshape(60, 2000)
    # Slices of three seconds; of each the two in the middle.
    expected = np.repeat(np.arange(180), 1000).reshape(60, 3000)[:, 500:2500]
    assert np.array_equal(heard, expected)


def test_a_long_video_that_is_cut_off_is_refused(hour):
    data = hour.read_bytes()
    with pytest.raises(MediaError, match=r"^x: this video is damaged or truncated$"):
        read_bytes(data[: len(data) * 3 // 4], "x")


def test_a_video_that_takes_forever_to_decode_is_refused(tmp_path, monkeypatch):
    path = clip(tmp_path / "long", "mp4", "libx264", **X264, g="100000")
    monkeypatch.setattr(videos, "MAX_WORK", 32 * 32 * HOUR * 9 // 10)
    with pytest.raises(MediaError, match="would take long to decode; it needs key frames"):
        read_media(path)

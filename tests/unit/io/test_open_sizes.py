"""Files that were written to a pipe, whose headers state sizes that nobody knew then."""

import io
import re
import struct

import av
import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from anygen.core.media import Audio
from anygen.io.media_files import MediaError, read_bytes, read_comment, write_media
from support.odd_media import animation, encode_sound, outcome, sound_of, wav

RATE = 8000
TONE_N = (0.5 * np.sin(2 * np.pi * 440 * np.arange(1001) / RATE)).astype(np.float32)
DATA = np.round(TONE_N * 32767).astype("<i2").tobytes()
SAMPLES_1N = torch.from_numpy(np.frombuffer(DATA, "<i2") / np.float32(32768))[None]
# What programs state of 2002 bytes of samples: the size of the file less 8, and of the samples.
GUESSES = {
    "SoX, espeak-ng": (0x7FFFF024, 0x7FFFF000),
    "FFmpeg, OpenAI": (0xFFFFFFFF, 0xFFFFFFFF),
    "GStreamer": (0, 0),
    "Python's wave": (36, 0),
    "arecord": (0x80000024, 0x80000000),
    "the samples alone": (36 + 2002, 0),
    "the largest of 31 bits": (0x7FFFFFFF, 0x7FFFFFFF - 36),
    "odd": (0x7FFFF025, 0x7FFFEFFF),
    "the largest of 32 bits, less the header": (0xFFFFFFFF, 0xFFFFFFFF - 44),
    "only the file is open": (0, 2002),
    "only the file is a guess": (0xFFFFFFFF, 2002),
    "only the samples are a guess": (36 + 2002, 0xFFFFFFFF),
}


def samples_of(data: bytes) -> torch.Tensor:
    read = read_bytes(data, "x")
    assert isinstance(read, Audio)
    assert read.rate == RATE
    return read.samples


def with_sizes(data: bytes, *fields: tuple[int, str, int]) -> bytes:
    """The file with other numbers at these offsets."""
    changed = bytearray(data)
    for offset, code, number in fields:
        struct.pack_into(code, changed, offset, number)
    return bytes(changed)


@pytest.mark.parametrize(("file_size", "data_size"), GUESSES.values(), ids=GUESSES)
def test_every_sample_of_a_piped_wav_is_read(file_size, data_size):
    whole = wav(RATE, 1, 16, DATA)
    piped = with_sizes(whole, (4, "<I", file_size), (40, "<I", data_size))
    assert samples_of(piped).equal(SAMPLES_1N)


@pytest.mark.parametrize("guess", [0x7FFFF000, 0xFFFFFFFF, 0])
@pytest.mark.parametrize(("count", "padding"), [(1000, b""), (1001, b""), (1001, b"\0")])
def test_eight_bits_an_odd_number_of_times_are_all_read(guess, count, padding):
    data = (bytes(range(256)) * 4)[:count]
    piped = with_sizes(wav(RATE, 1, 8, data + padding), (4, "<I", guess), (40, "<I", guess))
    expected = (torch.frombuffer(bytearray(data), dtype=torch.uint8).float() - 128) / 128
    assert samples_of(piped).equal(expected[None])


@pytest.mark.parametrize("guess", [0x7FFFF000, 0xFFFFFFFF, 0])
@pytest.mark.parametrize("codec", ["pcm_f32le", "adpcm_ms", "adpcm_ima_wav", "pcm_mulaw"])
def test_the_number_of_samples_is_not_believed_either(guess, codec):
    whole = sound_of(TONE_N[None], "wav", codec, RATE)
    place, data = whole.find(b"fact"), whole.index(b"data")
    assert place > 0
    sizes = [(4, "<I", guess), (data + 4, "<I", guess), (place + 8, "<I", guess // 2)]
    read = samples_of(with_sizes(whole, *sizes))
    assert read.equal(samples_of(whole))
    assert read.shape[1] >= 1001


@pytest.mark.parametrize("guess", [0, 2**32 - 1, 2**63 - 1, 2**64 - 1])
@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_the_sizes_of_64_bits_may_be_open_too(magic, guess):
    wide = struct.pack("<4sIQQQI", b"ds64", 28, guess, guess, guess, 0)
    whole = wav(RATE, 1, 16, DATA)
    head = magic + b"\xff\xff\xff\xff" + b"WAVE" + wide + whole[12:40] + b"\xff\xff\xff\xff"
    assert samples_of(head + DATA).equal(SAMPLES_1N)


# FORM, SSND and the number of frames, as SoX, FFmpeg and Python's aifc write them
AIFF = [(0x7F000050, 0x7F000030, 0x1FC00000), (0, 0, 0), (46, 8, 0), (0xFFFFFFFF,) * 3]


@pytest.mark.parametrize("guesses", AIFF)
@pytest.mark.parametrize("codec", ["pcm_s16be", "pcm_s16le"])
def test_every_sample_of_a_piped_aiff_is_read(codec, guesses):
    whole = sound_of(SAMPLES_1N.numpy(), "aiff", codec, RATE)
    sound, common = whole.index(b"SSND"), whole.index(b"COMM")
    places = (4, sound + 4, common + 10)
    sizes = [(place, ">I", guess) for place, guess in zip(places, guesses)]
    assert samples_of(with_sizes(whole, *sizes)).equal(SAMPLES_1N)


@pytest.mark.parametrize("guess", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_every_sample_of_a_piped_au_is_read(guess):
    whole = sound_of(SAMPLES_1N.numpy(), "au", "pcm_s16be", RATE)
    assert samples_of(with_sizes(whole, (8, ">I", guess))).equal(SAMPLES_1N)


@pytest.mark.parametrize(
    ("form", "codec", "options"),
    [
        ("wav", "pcm_s16le", {}),
        ("wav", "pcm_s16le", {"rf64": "always"}),
        ("wav", "pcm_f32le", {}),
        ("aiff", "pcm_s16be", {}),
        ("au", "pcm_s16be", {}),
        ("flac", "flac", {}),
        ("ogg", "flac", {}),
        ("matroska", "flac", {}),
        ("mov", "pcm_s16le", {"movflags": "frag_keyframe+empty_moov"}),
        ("mp4", "alac", {"movflags": "frag_keyframe+empty_moov"}),
    ],
)
def test_what_ffmpeg_pipes_is_what_it_writes_to_a_file(form, codec, options):
    samples = np.stack([TONE_N, -TONE_N])
    read = samples_of(piped(samples, form, codec, **options))
    assert read.shape == (2, 1001)
    assert (read - torch.from_numpy(samples)).abs().max() < 1e-4


def piped(samples: np.ndarray, form: str, codec: str, **options: str) -> bytes:
    """What FFmpeg writes if it cannot go back."""
    pipe = Pipe()
    with av.open(pipe, "w", format=form, options={"fflags": "+bitexact", **options}) as container:
        track = container.add_stream(codec, rate=RATE, layout="stereo")
        encode_sound(container, track, samples, RATE, "stereo")
    return bytes(pipe.data)


class Pipe:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


@pytest.mark.parametrize("guess", [0x7FFFF000, 0xFFFFFFFF, 0])
def test_a_long_sound_is_sampled_as_from_a_file(guess):
    data = (np.arange(1000 * 130) % 251).astype(np.uint8).tobytes()
    whole = wav(1000, 1, 8, data)
    read = read_bytes(with_sizes(whole, (4, "<I", guess), (40, "<I", guess)), "x")
    expected = read_bytes(whole, "x")
    assert read.seconds == expected.seconds == 120
    assert read.samples.equal(expected.samples)


def test_chunks_behind_a_size_of_zero_are_not_samples():
    whole = wav(RATE, 1, 16, b"") + b"LIST" + struct.pack("<I", 4) + b"INFO"
    assert outcome(whole) == "this WAV file is damaged or truncated"


def test_metadata_stay_readable_behind_an_open_size(tmp_path):
    sound = Audio(SAMPLES_1N, RATE)
    path = write_media(sound, tmp_path / "x.wav", comment="made by hand")
    whole = path.read_bytes()
    path.write_bytes(with_sizes(whole, (4, "<I", 0), (whole.index(b"data") + 4, "<I", 0)))
    assert read_comment(path) == "made by hand"
    assert samples_of(path.read_bytes()).equal(SAMPLES_1N)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_piped_webp_is_read(size):
    assert outcome(with_sizes(animation("WEBP"), (4, "<I", size))) == "video 7x5, 4 frames, 10 fps"


def test_a_piped_animated_png_has_all_its_frames():
    pipe = Pipe()
    with av.open(pipe, "w", format="apng") as container:
        track = container.add_stream("apng", rate=10)
        track.width, track.height, track.pix_fmt = 7, 5, "rgb24"
        for shade in range(4):
            frame = np.full((5, 7, 3), 60 * shade, np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(track.encode(None))
    data = bytes(pipe.data)
    place = data.index(b"acTL") + 4
    assert data[place : place + 4] == b"\xff\xff\xff\xff"
    assert outcome(data) == "video 7x5, 4 frames, 10 fps"


def test_a_bitmap_needs_no_size():
    stream = io.BytesIO()
    PILImage.new("RGB", (7, 5), (1, 2, 3)).save(stream, "BMP")
    assert outcome(with_sizes(stream.getvalue(), (2, "<I", 0))) == "image 7x5"


def rf64() -> bytes:
    whole = wav(RATE, 1, 16, DATA)
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, len(whole) + 28, len(DATA), 1001, 0)
    return b"RF64\xff\xff\xff\xffWAVE" + sizes + whole[12:40] + b"\xff\xff\xff\xff" + DATA


TRUE_SIZES = {
    "wav": wav(RATE, 1, 16, DATA),
    "rf64": rf64(),
    "aiff": sound_of(SAMPLES_1N.numpy(), "aiff", "pcm_s16be", RATE),
    "au": sound_of(SAMPLES_1N.numpy(), "au", "pcm_s16be", RATE),
}


@pytest.mark.parametrize("name", TRUE_SIZES)
def test_a_file_that_states_its_size_is_read_whole_or_not_at_all(name):
    whole = TRUE_SIZES[name]
    assert samples_of(whole).equal(SAMPLES_1N)
    for length in (len(whole) - 2, len(whole) // 2, 60):
        with pytest.raises(MediaError, match=r"^x: this \w+ file is damaged or truncated$"):
            read_bytes(whole[:length], "x")


def test_a_file_that_breaks_off_where_the_size_of_the_file_is_open_is_damaged():
    broken = with_sizes(wav(RATE, 1, 16, DATA), (4, "<I", 0xFFFFFFFF))[:-2]
    assert re.fullmatch("this WAV file is damaged or truncated", outcome(broken))

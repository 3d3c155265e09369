"""Pictures, sounds and videos from files and to files: the only door to PIL, soundfile and PyAV.

A file is what its first bytes say, never what its name says. Caps, so that no file can fill the
memory: pictures up to 100 megapixels, the first 10 minutes of a sound, 64 frames of a video (even
in time, long side at most 512 pixels) and the first 30 seconds of its sound.
"""

from __future__ import annotations

import bisect
import io
import logging
import os
import stat
import struct
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Literal

import av
import numpy as np
import soundfile
import torch
from av.stream import Disposition
from PIL import Image as PILImage
from PIL import ImageOps
from torch import Tensor

from anygen.files import replacing
from anygen.media import Audio, Image, Media, Video, modality_of
from anygen.modality import TABLE

MAX_PIXELS = 100_000_000
MAX_SECONDS = 600  # of a sound
MAX_FRAMES = 64
MAX_SIDE = 512  # pixels, of a video
MAX_VIDEO_SOUND_SECONDS = 30

Kind = Literal["picture", "sound", "container"]

SIGNATURES: tuple[tuple[int, bytes, str, Kind], ...] = (  # offset, bytes there, what it is
    (0, b"\x89PNG\r\n\x1a\n", "PNG", "picture"),
    (0, b"\xff\xd8\xff", "JPEG", "picture"),
    (0, b"GIF8", "GIF", "picture"),
    (8, b"WEBP", "WebP", "picture"),
    (0, b"BM", "BMP", "picture"),
    (8, b"WAVE", "WAV", "sound"),
    (0, b"fLaC", "FLAC", "sound"),
    (0, b"OggS", "Ogg", "sound"),
    (0, b"ID3", "MP3", "sound"),
    *((0, bytes((0xFF, second)), "MP3", "sound") for second in b"\xfb\xfa\xf3\xf2\xe3\xe2"),
    *((4, atom, "MP4", "container") for atom in (b"ftyp", b"moov", b"mdat", b"wide", b"free")),
    (0, b"\x1aE\xdf\xa3", "WebM", "container"),
)
# What the three libraries were seen to raise on broken data.
BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    AssertionError,
    struct.error,
    PILImage.DecompressionBombError,
    soundfile.LibsndfileError,
    av.FFmpegError,
)
logger = logging.getLogger(__name__)


class MediaError(ValueError):
    """One sentence: which file, and what is wrong with it."""


def read_media(path: str | Path) -> Media:
    """The picture, sound or video in a file. Raises MediaError."""
    name = printable(path)
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise MediaError(f"{name}: is a folder, not a file")
        if not stat.S_ISREG(mode):
            raise MediaError(f"{name}: is a pipe or a device, not a file")
        with Path(path).open("rb") as stream:
            return _read(stream, name)
    except FileNotFoundError:
        raise MediaError(f"{name}: no such file") from None
    except OSError as error:
        raise MediaError(f"{name}: cannot be read: {error.strerror}") from error


def read_bytes(data: bytes, name: str) -> Media:
    """The same of bytes; `name` is what errors call them."""
    return _read(io.BytesIO(data), printable(name))


def write_media(media: Media, path: str | Path) -> Path:
    """Writes PNG, WAV (16 bit, the medium's rate) or MP4 (H.264, AAC); the whole file or nothing.

    The suffix must be the modality's own: .png, .wav or .mp4. Raises MediaError.
    """
    path = Path(path)
    modality = modality_of(media)
    suffix = TABLE[modality].suffix
    if path.suffix.lower() != suffix:
        raise MediaError(f"{printable(path)}: {modality} is written as {suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        match media:
            case Image():
                _write_picture(media, temporary)
            case Audio():
                _write_sound(media, temporary)
            case Video():
                _write_video(media, temporary)
    return path


def printable(text: str | Path) -> str:
    """The text without control characters: names from users are shown on terminals."""
    return "".join(character for character in str(text) if character.isprintable())


# --- reading


def _read(stream: BinaryIO, name: str) -> Media:
    head = stream.read(16)
    stream.seek(0)
    if not head:
        raise MediaError(f"{name}: is empty")
    found = [row for row in SIGNATURES if head[row[0] :].startswith(row[1])]
    if not found:
        suffixes = ", ".join(s for row in TABLE.values() for s in row.read_suffixes)
        raise MediaError(f"{name}: holds no picture, sound or video; these can be read: {suffixes}")
    _, _, label, kind = found[0]
    readers = {"picture": _read_picture, "sound": _read_sound, "container": _read_container}
    try:
        return readers[kind](stream, name)
    except MediaError:
        raise
    except BROKEN as error:
        raise MediaError(f"{name}: this {label} file is damaged or truncated") from error


def _read_picture(stream: BinaryIO, name: str) -> Image | Video:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PILImage.DecompressionBombWarning)  # ours is stricter
        try:
            picture = PILImage.open(stream, formats=("PNG", "JPEG", "WEBP", "GIF", "BMP"))
        except PILImage.DecompressionBombError:
            raise MediaError(f"{name}: has more than {MAX_PIXELS // 10**6} megapixels") from None
    if picture.width * picture.height > MAX_PIXELS:
        raise MediaError(f"{name}: has more than {MAX_PIXELS // 10**6} megapixels")
    if picture.format in ("GIF", "WEBP") and getattr(picture, "n_frames", 1) > 1:
        return _read_animation(picture)
    picture.load()
    return Image(_pixels(_rgb(ImageOps.exif_transpose(picture))))


def _rgb(picture: PILImage.Image) -> PILImage.Image:
    """Any mode to RGB: 16 bit scaled down, transparency laid on white."""
    if picture.mode.startswith("I"):  # 16-bit grey; PIL's own conversion would clip it at 255
        return PILImage.fromarray((np.asarray(picture) // 257).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = PILImage.new("RGBA", picture.size, "white")
        return PILImage.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def _pixels(picture: PILImage.Image) -> Tensor:
    """An RGB picture as (3, H, W) uint8."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def _read_animation(picture: PILImage.Image) -> Video:
    starts, clock = [], 0.0
    for index in range(picture.n_frames):  # type: ignore[attr-defined]  # of GIF and WebP
        picture.seek(index)
        picture.load()
        starts.append(clock)
        clock += (picture.info.get("duration") or 100) / 1000  # ms; 0 means 100, as in browsers
    chosen, fps = _choose_frames(starts, clock)
    size = _fit(picture.width, picture.height)
    frames = []
    for index in chosen:
        picture.seek(index)
        frames.append(_pixels(_rgb(picture).resize(size, PILImage.Resampling.BOX)))
    return Video(torch.stack(frames), fps)


def _choose_frames(starts: list[float], end: float) -> tuple[list[int], float]:
    """The frames on screen at the middles of equal slices of time, and how many a second.

    `starts` are sorted, in seconds. At most MAX_FRAMES slices, and no more than there are frames.
    """
    count = min(MAX_FRAMES, len(starts))
    fps = count / (end - starts[0])
    moments = (starts[0] + (slice_ + 0.5) / fps for slice_ in range(count))
    return [bisect.bisect_right(starts, moment) - 1 for moment in moments], fps


def _fit(width: int, height: int) -> tuple[int, int]:
    """The size with the long side at most MAX_SIDE."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _read_sound(stream: BinaryIO, name: str) -> Audio:
    _refuse_short_wav(stream, name)
    with soundfile.SoundFile(stream) as sound:
        rate = sound.samplerate
        if sound.frames > MAX_SECONDS * rate:
            logger.warning("%s: only the first %d minutes are heard", name, MAX_SECONDS // 60)
        wanted = min(sound.frames, MAX_SECONDS * rate)
        samples_NC = sound.read(wanted, dtype="float32", always_2d=True)
        # An MP3's length is an estimate until it is read.
        if sound.format == "FLAC" and len(samples_NC) < wanted:
            raise MediaError(f"{name}: this FLAC file is damaged or truncated")
    return _audio(samples_NC.T, rate, name)


def _refuse_short_wav(stream: BinaryIO, name: str) -> None:
    """libsndfile reads a WAV that was cut off without a word; its header tells."""
    head = stream.read(12)
    available = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if head[8:] != b"WAVE" or head[:4] != b"RIFF":
        return
    (stated,) = struct.unpack("<I", head[4:8])
    if stated < 0x7FFFFFFF and stated + 8 > available:  # streams write a huge size, as unknown
        raise MediaError(f"{name}: this WAV file is damaged or truncated")


def _audio(samples_CN: np.ndarray, rate: int, name: str) -> Audio:
    if samples_CN.shape[1] == 0:
        raise MediaError(f"{name}: holds no sound")
    return Audio(torch.from_numpy(np.nan_to_num(samples_CN)).clamp(-1, 1).contiguous(), rate)


def _read_container(stream: BinaryIO, name: str) -> Audio | Video:
    with av.open(stream) as container:
        pictures = [
            s for s in container.streams.video if not s.disposition & Disposition.attached_pic
        ]
        sounds = container.streams.audio
        if pictures:
            seconds = MAX_VIDEO_SOUND_SECONDS
            frames, fps = _decode_frames(container, pictures[0], name)
            return Video(frames, fps, _decode_sound(container, seconds, name) if sounds else None)
        if not sounds:
            raise MediaError(f"{name}: holds neither pictures nor sound")
        if (container.duration or 0) > MAX_SECONDS * av.time_base:
            logger.warning("%s: only the first %d minutes are heard", name, MAX_SECONDS // 60)
        return _decode_sound(container, MAX_SECONDS, name)


def _decode_frames(container: Any, stream: Any, name: str) -> tuple[Tensor, float]:
    """Frames (T, 3, H, W) uint8, and how many a second. Only the chosen ones are ever kept."""
    starts, end = _frame_times(container, stream, name)
    tick = float(stream.time_base)
    chosen, fps = _choose_frames([start * tick for start in starts], end * tick)
    wanted = [starts[index] for index in chosen]
    frames: list[Tensor] = []
    size = None  # the first frame's; some recorders change it on the way
    for frame in container.decode(stream):
        size = size or _fit(frame.width, frame.height)
        if frame.pts is not None and frame.pts >= wanted[len(frames)]:
            repeats = bisect.bisect_right(wanted, frame.pts) - len(frames)
            frames.extend([_frame_pixels(frame, size)] * repeats)
        if len(frames) == len(wanted):
            break
    if not frames:
        raise MediaError(f"{name}: holds no pictures that can be read")
    return torch.stack(frames), fps


def _frame_times(container: Any, stream: Any, name: str) -> tuple[list[int], int]:
    """When each frame starts, sorted, and when the last one ends, in ticks; nothing is decoded."""
    packets = [
        (packet.pts, packet.duration or 0, packet.is_corrupt)
        for packet in container.demux(stream)
        if packet.pts is not None and not packet.is_discard
    ]
    container.seek(0)
    if not packets or any(corrupt for _, _, corrupt in packets):
        raise MediaError(f"{name}: this video is damaged or truncated")
    starts = sorted({pts for pts, _, _ in packets})
    end = max(pts + duration for pts, duration, _ in packets)
    if end > starts[-1]:
        return starts, end
    mean_gap = (end - starts[0]) // max(1, len(starts) - 1)
    return starts, end + (mean_gap or round(1 / stream.time_base))  # one frame lasts a second


def _frame_pixels(frame: Any, size: tuple[int, int]) -> Tensor:
    """(3, H, W) uint8 of size (W, H), then turned as the camera was held."""
    small = frame.reformat(*size, format="rgb24", interpolation="AREA")
    upright = np.rot90(small.to_ndarray(), frame.rotation // 90)
    return torch.from_numpy(upright.copy()).permute(2, 0, 1).contiguous()


def _decode_sound(container: Any, seconds: float, name: str) -> Audio:
    """The first `seconds` of the first sound track; more than two channels become stereo."""
    container.seek(0)
    stream = container.streams.audio[0]
    rate = stream.rate
    layout = "mono" if stream.channels == 1 else "stereo"
    resampler = av.AudioResampler("fltp", layout, rate)
    pieces, length = [], 0
    for frame in container.decode(stream):
        pieces += [piece.to_ndarray() for piece in resampler.resample(frame)]
        length += frame.samples
        if length >= seconds * rate:
            break
    if not pieces:
        raise MediaError(f"{name}: holds no sound that can be read")
    return _audio(np.concatenate(pieces, axis=1)[:, : int(seconds * rate)], rate, name)


# --- writing


def _write_picture(image: Image, path: Path) -> None:
    PILImage.fromarray(image.pixels.permute(1, 2, 0).numpy()).save(path, format="PNG")


def _write_sound(audio: Audio, path: Path) -> None:
    samples_NC = _pcm16(audio.samples).T.numpy()
    soundfile.write(path, samples_NC, audio.rate, format="WAV", subtype="PCM_16")


def _pcm16(samples: Tensor) -> Tensor:
    """Float to 16 bit; what is too loud is clipped, it never wraps around."""
    return (samples.float() * 32768).round().clamp(-32768, 32767).to(torch.int16)


def _write_video(video: Video, path: Path) -> None:
    frames = _even(video.frames.permute(0, 2, 3, 1).numpy())
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        pictures: Any = container.add_stream(
            "libx264", rate=Fraction(video.fps).limit_denominator(10_000), options={"crf": "18"}
        )
        pictures.height, pictures.width, pictures.pix_fmt = *frames.shape[1:3], "yuv420p"
        pictures.codec_context.thread_count = 1  # the same bytes on every machine
        sounds = _add_sound_stream(container, video.audio) if video.audio else None
        for frame in frames:
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(pictures.encode(None))
        if video.audio and sounds:
            container.mux(sounds.encode(_sound_frame(video.audio)))
            container.mux(sounds.encode(None))


def _even(frames: np.ndarray) -> np.ndarray:
    """(T, H, W, 3) with the last row or column repeated where odd: yuv420p halves both."""
    _, height, width, _ = frames.shape
    return np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _add_sound_stream(container: Any, audio: Audio) -> Any:
    """An AAC track at the sound's rate or, where AAC has none such, the next higher."""
    rates = sorted(av.codec.Codec("aac", "w").audio_rates or [])
    rate = next((r for r in rates if r >= audio.rate), rates[-1])
    return container.add_stream("aac", rate=rate, layout=_layout(audio))


def _sound_frame(audio: Audio) -> Any:
    samples = audio.samples.float().clamp(-1, 1).contiguous().numpy()
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=_layout(audio))
    frame.sample_rate, frame.pts = audio.rate, 0  # without pts, AAC's lead-in would be heard
    return frame


def _layout(audio: Audio) -> str:
    channels = audio.samples.shape[0]
    if channels > 2:
        raise MediaError(f"the sound of a video has 1 or 2 channels, not {channels}")
    return "mono" if channels == 1 else "stereo"

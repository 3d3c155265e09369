"""Writes media files: the suffix decides the format, and equal media become equal bytes.

Pictures: PNG, JPEG and WebP (quality 95). Sounds: WAV and FLAC with 16 bits at the medium's rate,
Ogg with Opus. Videos: MP4 with H.264 and AAC. AAC and Opus have few sample rates; others are
resampled to the next higher one. `write_exact` is lossless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image as PILImage
from soundfile import SoundFile

from anygen.core.media import Audio, Image, Media, Video, modality_of
from anygen.core.modality import TABLE, MediaModality
from anygen.io.atomic import replacing
from anygen.io.formats.comments import picture_options
from anygen.io.formats.errors import MediaError, printable
from anygen.io.formats.pictures import MAX_PIXELS
from anygen.io.formats.sampling import MAX_FRAMES, MAX_SIDE
from anygen.io.formats.sounds import WHOLE_SECONDS

PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
SIDES = {"PNG": 2**31 - 1, "JPEG": 65_500, "WEBP": 16_383}  # pixels; limits of the libraries
SOUNDS = {".wav": ("wav", "pcm_s16le"), ".ogg": ("ogg", "libopus")}
EXACT: dict[MediaModality, str] = {"image": ".png", "audio": ".wav", "video": ".mov"}
SAME_BYTES = {"fflags": "+bitexact"}  # no random serial numbers and no library versions
MAX_CLOCK = 2**31 - 1  # ticks per second; MP4 and MOV count them in 32 bits


@dataclass(frozen=True)
class VideoCodecs:
    form: str
    pictures: str
    pixels: str
    sound: str
    options: Mapping[str, str]  # of the picture codec


# x264's macroblock tree reads costs that it has not computed where frames are small (valgrind shows
# it at 48 x 32), so that what lay on its stack decides about some bytes.
H264 = VideoCodecs("mp4", "libx264", "yuv420p", "aac", {"crf": "18", "mbtree": "0"})
PNG_FRAMES = VideoCodecs("mov", "png", "rgb24", "pcm_f32le", {"pred": "paeth"})


def write_media(media: Media, path: str | Path, comment: str | None = None) -> Path:
    """Writes the complete file or nothing, with a comment in its metadata if it is not empty.

    Raises MediaError if the modality cannot be written with this suffix.
    """
    path = Path(path)
    modality, suffix = modality_of(media), path.suffix.lower()
    suffixes = TABLE[modality].write_suffixes
    if suffix not in suffixes:
        raise MediaError(f"{printable(path)}: {modality} is written as {' or '.join(suffixes)}")
    if comment and not _can_be_stored(comment):
        raise MediaError(f"{printable(path)}: a comment cannot hold NUL or half a surrogate pair")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        match media:
            case Image():
                _write_picture(media, temporary, comment)
            case Audio() if suffix == ".flac":
                _write_flac(media, temporary, comment)
            case Audio():
                _write_sound(media, temporary, *SOUNDS[suffix], comment)
            case Video():
                _write_video(media, temporary, H264, comment)
    return path


def write_exact(media: Media, path_without_suffix: str | Path) -> Path:
    """Writes a file that `read_media` reads back bit by bit; returns the path with its suffix.

    The formats are PNG, WAV with 32-bit floats, and MOV with both (Matroska has lossless codecs but
    counts milliseconds). The relative error of the frame rate is at most 1e-9. Raises MediaError
    for media that `read_media` would reduce: videos of more than 64 frames or 512 pixels a side,
    and sounds of more than two minutes.
    """
    suffix = EXACT[modality_of(media)]
    path = Path(f"{path_without_suffix}{suffix}")
    _refuse_inexact(media, printable(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        match media:
            case Image():
                _write_picture(media, temporary, None)
            case Audio():
                _write_sound(media, temporary, "wav", "pcm_f32le", None)
            case Video():
                _write_video(media, temporary, PNG_FRAMES, None)
    return path


def _can_be_stored(comment: str) -> bool:
    return "\0" not in comment and not any("\ud800" <= c <= "\udfff" for c in comment)


def _refuse_inexact(media: Media, name: str) -> None:
    match media:
        case Image() if media.pixels[0].numel() > MAX_PIXELS:
            limit = f"pictures of up to {MAX_PIXELS // 10**6} megapixels"
        case Audio() if media.seconds > WHOLE_SECONDS:
            limit = f"sounds of up to {WHOLE_SECONDS} seconds"
        case Video() if len(media.frames) > MAX_FRAMES or max(media.frames.shape[2:]) > MAX_SIDE:
            limit = f"videos of up to {MAX_FRAMES} frames, {MAX_SIDE} pixels a side"
        case Video(audio=Audio() as sound):
            return _refuse_inexact(sound, name)
        case _:
            return None
    raise MediaError(f"{name}: only {limit} are kept exactly")


def _write_picture(image: Image, path: Path, comment: str | None) -> None:
    form = PICTURES[path.suffix.lower()]
    if max(image.pixels.shape[1:]) > SIDES[form]:
        raise MediaError(f"a {form} picture has at most {SIDES[form]} pixels a side")
    picture = PILImage.fromarray(image.pixels.permute(1, 2, 0).numpy())
    picture.save(path, format=form, quality=95, **picture_options(form, comment))


def _write_sound(audio: Audio, path: Path, form: str, codec: str, comment: str | None) -> None:
    with _output(path, form, comment) as container:
        track = _add_sound_track(container, codec, audio)
        _encode_sound(container, track, audio)


def _write_flac(audio: Audio, path: Path, comment: str | None) -> None:
    """Writes with soundfile, which drops long comments of WAV but not of FLAC."""
    channels = 1 if _layout(audio) == "mono" else 2
    with SoundFile(path, "w", audio.rate, channels, "PCM_16", format="FLAC") as sound:
        if comment:
            sound.comment = comment
        sound.write(audio.samples.T.clamp(-1, 1).numpy())


def _output(path: Path, form: str, comment: str | None) -> Any:
    faststart = {"movflags": "faststart"} if form == "mp4" else {}
    container = av.open(str(path), "w", format=form, options={**SAME_BYTES, **faststart})
    if comment:
        container.metadata["comment"] = comment
    return container


def _add_sound_track(container: Any, codec: str, audio: Audio) -> Any:
    """Adds a track at the sound's rate, or the next higher one that the codec has."""
    rates = sorted(av.codec.Codec(codec, "w").audio_rates or [audio.rate])
    rate = next((r for r in rates if r >= audio.rate), rates[-1])
    return container.add_stream(codec, rate=rate, layout=_layout(audio))


def _layout(audio: Audio) -> str:
    channels = audio.samples.shape[0]
    if channels > 2:
        raise MediaError(f"a sound is written with 1 or 2 channels, not {channels}")
    return "mono" if channels == 1 else "stereo"


def _encode_sound(container: Any, track: Any, audio: Audio) -> None:
    """Encodes the samples, clipped to [-1, 1]."""
    samples_CN = audio.samples.float().clamp(-1, 1).contiguous().numpy()
    frame = av.AudioFrame.from_ndarray(samples_CN, format="fltp", layout=_layout(audio))
    frame.sample_rate, frame.pts = (
        audio.rate,
        0,
    )  # without pts, AAC's priming is audible
    container.mux(track.encode(frame))
    container.mux(track.encode(None))


def _write_video(video: Video, path: Path, codecs: VideoCodecs, comment: str | None) -> None:
    frames = video.frames.permute(0, 2, 3, 1).numpy()
    if codecs.pixels == "yuv420p":
        frames = _even(frames)
    with _output(path, codecs.form, comment) as container:
        pictures = container.add_stream(
            codecs.pictures, rate=_exact_rate(video.fps), options=dict(codecs.options)
        )
        pictures.height, pictures.width = frames.shape[1:3]
        pictures.pix_fmt = codecs.pixels
        pictures.codec_context.thread_count = 1  # the same bytes on every machine
        sound = _add_sound_track(container, codecs.sound, video.audio) if video.audio else None
        for frame in frames:
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(pictures.encode(None))
        if video.audio:
            _encode_sound(container, sound, video.audio)


def _exact_rate(fps: float) -> Fraction:
    """The nearest fraction that fits the clock; its relative error is at most 1 / MAX_CLOCK."""
    return Fraction(fps).limit_denominator(max(1, min(10**9, int(MAX_CLOCK / fps))))


def _even(frames: np.ndarray) -> np.ndarray:
    """Frames (T, H, W, 3) with odd sides padded by one pixel, since yuv420p halves both."""
    _, height, width, _ = frames.shape
    return np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")

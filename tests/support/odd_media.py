"""Odd files, made here: one table of names, bytes and what should come of them.

`ZOO[name]` is how to make the bytes and a pattern that `outcome` of them matches in full.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import av
import numpy as np
from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo

from anygen.core.media import Audio, Image, Video
from anygen.io.media_files import MediaError, read_bytes

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def outcome(data: bytes) -> str:
    """What `read_bytes` makes of a file, in a few words, or its complaint without the name."""
    try:
        media = read_bytes(data, "x")
    except MediaError as error:
        return str(error).removeprefix("x: ")
    match media:
        case Image():
            return "image {2}x{1}".format(*media.pixels.shape)
        case Audio():
            return _sound(media)
        case Video():
            count, _, height, width = media.frames.shape
            sound = f", {_sound(media.audio)}" if media.audio else ""
            return f"video {width}x{height}, {count} frames, {media.fps:.4g} fps{sound}"


def _sound(audio: Audio) -> str:
    channels, length = audio.samples.shape
    return f"audio {channels} x {length} at {audio.rate}"


# --- pictures


def picture(mode: str, form: str, color: object = None, **options) -> bytes:
    """7 wide and 5 high, of one color."""
    return saved(PILImage.new(mode, (7, 5), color or 0), form, **options)


def saved(canvas: PILImage.Image, form: str, **options) -> bytes:
    stream = io.BytesIO()
    canvas.save(stream, form, **options)
    return stream.getvalue()


def noise(form: str, **options) -> bytes:
    values = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    return saved(PILImage.fromarray(values), form, **options)


def animation(form: str, frames: int = 4, **options) -> bytes:
    first, *rest = (PILImage.new("RGB", (7, 5), (60 * i, 0, 0)) for i in range(frames))
    options = {"duration": 100, "loop": 0, **options}
    return saved(first, form, save_all=True, append_images=rest, **options)


def rotated(form: str, orientation: int) -> bytes:
    exif = PILImage.Exif()
    exif[0x0112] = orientation
    return picture("RGB", form, exif=exif)


def png(width: int, height: int, depth: int, color: int, data: bytes) -> bytes:
    """A PNG by hand: color 0 grey, 2 RGB, 4 grey and alpha, 6 RGB and alpha; data unfiltered."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def text_bomb() -> bytes:
    """A text of ten megabytes, compressed to ten kilobytes."""
    chunks = PngInfo()
    chunks.add_text("parameters", "x" * 10_000_000, zip=True)
    return picture("RGB", "PNG", pnginfo=chunks)


def float_tiff() -> bytes:
    values = np.full((5, 7), -3.5, np.float32)
    values[0, 0], values[1, 1] = np.nan, 1e9
    return saved(PILImage.fromarray(values), "TIFF")


def jpeg_of_many_scans() -> bytes:
    """A progressive picture of 64 megapixels whose last scan comes again and again."""
    data = saved(PILImage.new("L", (64, 64)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    size = data.index(b"\xff\xc2") + 5
    head = data[:size] + struct.pack(">HH", 8000, 8000) + data[size + 4 : last]
    return head + data[last:-2] * 1000 + b"\xff\xd9"


# --- sounds


def sound(
    form: str, codec: str, channels: int = 1, rate: int = 16000, layout: str = "", **options
) -> bytes:
    """A quarter of a second of a quiet tone in every channel."""
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(rate // 4) / rate)
    samples = np.repeat(tone[None], channels, axis=0).astype(np.float32)
    return sound_of(samples, form, codec, rate, layout, **options)


def sound_of(
    samples: np.ndarray, form: str, codec: str, rate: int, layout: str = "", **options
) -> bytes:
    stream = io.BytesIO()
    layout = layout or LAYOUTS[len(samples)]
    with av.open(stream, "w", format=form, options={"fflags": "+bitexact"}) as container:
        track = container.add_stream(codec, rate=rate, layout=layout, options=options)
        encode_sound(container, track, samples, rate, layout)
    return stream.getvalue()


def encode_sound(container, track, samples, rate, layout) -> None:
    packed = np.ascontiguousarray(samples.T.reshape(1, -1))
    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
    frame.sample_rate, frame.pts = rate, 0
    container.mux(track.encode(frame))
    container.mux(track.encode(None))


def wav(rate: int, channels: int, bits: int, data: bytes, code: int = 1) -> bytes:
    """A plain WAV by hand, without a mask of channels."""
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", code, channels, rate, rate * block, block, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data))
    return b"RIFF" + struct.pack("<I", len(body) + len(data)) + body + data


def odd_floats() -> bytes:
    values = np.array([0.5, np.nan, np.inf, -np.inf, 9.0, -9.0, 1e-40, 0.0], "<f4")
    return wav(8000, 1, 32, values.tobytes(), code=3)


# --- videos


def video(
    form: str = "mp4",
    codec: str = "libx264",
    frames: int = 6,
    sound: str = "",
    times: list[int] | None = None,
    **options,
) -> bytes:
    """48x32 at 10 a second, or with frames at the given tenths; each brighter than the last."""
    stream = io.BytesIO()
    with av.open(stream, "w", format=form, options=options) as container:
        track = container.add_stream(codec, rate=10)
        track.width, track.height = 48, 32
        track.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
        track.codec_context.time_base = Fraction(1, 10)
        track.codec_context.thread_count = 1
        heard = container.add_stream(sound, rate=48000, layout="mono") if sound else None
        for index, time in enumerate(times or range(frames)):
            shade = np.full((32, 48, 3), 20 * index, np.uint8)
            shade[:16, :24] = 255 - 20 * index
            frame = av.VideoFrame.from_ndarray(shade, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 10)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
        if heard:
            tone = np.full((1, 48 * 100 * frames), 0.1, np.float32)
            encode_sound(container, heard, tone, 48000, "mono")
    return stream.getvalue()


IDENTITY = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
LEFT = struct.pack(">9i", 0, -1 << 16, 0, 1 << 16, 0, 0, 0, 0, 1 << 30)


def turned_video() -> bytes:
    """Its track header says: to be shown turned left by 90 degrees."""
    data = video()
    header = data.index(b"tkhd")
    return data[:header] + data[header:].replace(IDENTITY, LEFT, 1)


def without(data: bytes, box: bytes) -> bytes:
    """An MP4 in which boxes of one kind are called something else."""
    return data.replace(box, b"skip")


def song_with_a_cover() -> bytes:
    """An MP3 whose tag holds a picture."""
    cover = b"APIC" + struct.pack(">IH", 0, 0) + b"\0image/png\0\3\0" + picture("RGB", "PNG")
    cover = cover[:4] + struct.pack(">I", len(cover) - 10) + cover[8:]
    size = len(cover)
    tag = b"ID3\3\0\0" + bytes([size >> 21, size >> 14 & 127, size >> 7 & 127, size & 127])
    return tag + cover + sound("mp3", "libmp3lame")


def half(make: Callable[[], bytes]) -> bytes:
    data = make()
    return data[: len(data) // 2]


def then(make: Callable[[], bytes], change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    return lambda: change(make())


STILL = "image 7x5"
MOVING = r"video 7x5, 4 frames, 10 fps"
DAMAGED = r"this \w+ file is damaged or truncated"
NOTHING = r"holds no picture, sound or video; these can be read: \.png, .*"
CLIP = r"video 48x32, 6 frames, (10|9.9\d+|10.\d+) fps"
TOO_LARGE = "has more than 100 megapixels"


def heard(channels: int, rate: int = 16000, length: str = "") -> str:
    return rf"audio {channels} x {length or rate // 4} at {rate}"


ZOO: dict[str, tuple[Callable[[], bytes], str]] = {
    # pictures
    "png": (partial(noise, "PNG"), "image 32x24"),
    "png grey": (partial(picture, "L", "PNG"), STILL),
    "png 1 bit": (partial(picture, "1", "PNG"), STILL),
    "png palette": (partial(picture, "P", "PNG", transparency=0), STILL),
    "png alpha": (partial(picture, "RGBA", "PNG"), STILL),
    "png grey alpha": (partial(picture, "LA", "PNG"), STILL),
    "png 16 bit grey": (partial(png, 7, 5, 16, 0, bytes(5 * 15)), STILL),
    "png 16 bit grey alpha": (partial(png, 7, 5, 16, 4, bytes(5 * 29)), STILL),
    "png 16 bit rgb": (partial(png, 7, 5, 16, 2, bytes(5 * 43)), STILL),
    "png 16 bit rgba": (partial(png, 7, 5, 16, 6, bytes(5 * 57)), STILL),
    "png 2 bit": (partial(png, 7, 5, 2, 0, bytes(5 * 3)), STILL),
    "png without pixels": (partial(png, 7, 5, 8, 2, b""), DAMAGED),
    "png of 20,000 x 20,000": (partial(png, 20_000, 20_000, 1, 0, b""), TOO_LARGE),
    "png of 2**31 - 1 squared": (partial(png, 2**31 - 1, 2**31 - 1, 16, 6, b""), TOO_LARGE),
    "png bomb in a text": (text_bomb, DAMAGED),
    "png truncated": (partial(half, partial(noise, "PNG")), DAMAGED),
    "apng": (partial(animation, "PNG"), MOVING),
    "apng truncated": (partial(half, partial(animation, "PNG")), DAMAGED),
    "jpeg": (partial(noise, "JPEG"), "image 32x24"),
    "jpeg grey": (partial(picture, "L", "JPEG"), STILL),
    "jpeg cmyk": (partial(picture, "CMYK", "JPEG"), STILL),
    "jpeg progressive": (partial(noise, "JPEG", progressive=True), "image 32x24"),
    "jpeg turned": (partial(rotated, "JPEG", 6), "image 5x7"),
    "jpeg turned wrongly": (partial(rotated, "JPEG", 77), STILL),
    "jpeg truncated": (partial(half, partial(noise, "JPEG")), DAMAGED),
    "jpeg of many scans": (jpeg_of_many_scans, "has too many scans for a picture of this size"),
    "webp": (partial(noise, "WEBP"), "image 32x24"),
    "webp alpha": (partial(picture, "RGBA", "WEBP", lossless=True), STILL),
    "webp turned": (partial(rotated, "WEBP", 8), "image 5x7"),
    "webp animation": (partial(animation, "WEBP"), MOVING),
    "webp truncated": (partial(half, partial(noise, "WEBP")), DAMAGED),
    "gif": (partial(noise, "GIF"), "image 32x24"),
    "gif transparent": (partial(picture, "P", "GIF", transparency=0), STILL),
    "gif animation": (partial(animation, "GIF"), MOVING),
    "gif without times": (partial(animation, "GIF", duration=0), MOVING),
    "gif truncated": (partial(half, partial(noise, "GIF")), DAMAGED),
    "bmp": (partial(noise, "BMP"), "image 32x24"),
    "bmp 1 bit": (partial(picture, "1", "BMP"), STILL),
    "bmp palette": (partial(picture, "P", "BMP"), STILL),
    "bmp truncated": (partial(half, partial(noise, "BMP")), DAMAGED),
    "tiff": (partial(noise, "TIFF"), "image 32x24"),
    "tiff lzw": (partial(noise, "TIFF", compression="tiff_lzw"), "image 32x24"),
    "tiff jpeg": (partial(noise, "TIFF", compression="jpeg"), "image 32x24"),
    "tiff fax": (partial(picture, "1", "TIFF", compression="group4"), STILL),
    "tiff 16 bit": (partial(picture, "I;16", "TIFF"), STILL),
    "tiff 32 bit": (partial(picture, "I", "TIFF"), STILL),
    "tiff float": (float_tiff, STILL),
    "tiff cmyk": (partial(picture, "CMYK", "TIFF"), STILL),
    "tiff alpha": (partial(picture, "RGBA", "TIFF"), STILL),
    "tiff turned": (partial(rotated, "TIFF", 6), "image 5x7"),
    "tiff of pages": (partial(animation, "TIFF"), STILL),
    "tiff truncated": (partial(half, partial(noise, "TIFF")), DAMAGED),
    "avif": (partial(noise, "AVIF"), "image 32x24"),
    "avif alpha": (partial(picture, "RGBA", "AVIF"), STILL),
    "avif turned": (partial(rotated, "AVIF", 6), "image 5x7"),
    "avif animation": (partial(animation, "AVIF"), MOVING),
    "avif truncated": (partial(half, partial(noise, "AVIF")), DAMAGED),
    "heic": (lambda: b"\0\0\0\x18ftypheic" + bytes(99), "HEIC pictures cannot be read; .*"),
    # sounds
    "wav": (partial(sound, "wav", "pcm_s16le"), heard(1)),
    "wav 8 bit": (partial(sound, "wav", "pcm_u8"), heard(1)),
    "wav 24 bit": (partial(sound, "wav", "pcm_s24le", 2), heard(2)),
    "wav 32 bit": (partial(sound, "wav", "pcm_s32le"), heard(1)),
    "wav float": (partial(sound, "wav", "pcm_f32le", 2, 44100), heard(2, 44100)),
    "wav double": (partial(sound, "wav", "pcm_f64le"), heard(1)),
    "wav mu-law": (partial(sound, "wav", "pcm_mulaw", 1, 8000), heard(1, 8000)),
    "wav adpcm": (partial(sound, "wav", "adpcm_ms"), heard(1, length=r"[34]\d+")),
    "wav of odd floats": (odd_floats, heard(1, 8000, "8")),
    "wav 192 kHz": (partial(sound, "wav", "pcm_s16le", 2, 192000), heard(2, 192000)),
    "wav 8 kHz": (partial(sound, "wav", "pcm_s16le", 1, 8000), heard(1, 8000)),
    "wav 5.1": (partial(sound, "wav", "pcm_s16le", 6), heard(2)),
    "wav of 3 nameless channels": (lambda: wav(8000, 3, 16, bytes(600)), heard(2, 8000, "100")),
    "wav of 8 nameless channels": (lambda: wav(8000, 8, 16, bytes(1600)), heard(2, 8000, "100")),
    "wav of 40 channels": (lambda: wav(8000, 40, 16, bytes(8000)), heard(2, 8000, "100")),
    "wav of no samples": (lambda: wav(8000, 1, 16, b""), "holds neither pictures nor sound.*"),
    "wav of 4 GHz": (lambda: wav(2**32 - 1, 1, 8, bytes(99)), f"has .* samples a sec.*|{DAMAGED}"),
    "wav of 0 Hz": (lambda: wav(0, 1, 8, bytes(99)), f"has .* samples a second.*|{DAMAGED}"),
    "wav of 7 Hz": (lambda: wav(7, 1, 8, bytes(99)), "has 7 samples a second, not 1000 to 768000"),
    "wav of 0 channels": (lambda: wav(8000, 0, 16, bytes(99)), f"{DAMAGED}|holds neither.*"),
    "wav big-endian": (
        lambda: b"RIFX" + sound("wav", "pcm_s16le")[4:],
        r"big-endian WAV files \(RIFX\) cannot be read; save it as plain WAV \(RIFF\)",
    ),
    "aiff": (partial(sound, "aiff", "pcm_s16be", 2), heard(2)),
    "aiff little-endian": (partial(sound, "aiff", "pcm_s16le"), heard(1)),
    "aiff truncated": (partial(half, partial(sound, "aiff", "pcm_s16be")), DAMAGED),
    "au": (partial(sound, "au", "pcm_s16be", 2), heard(2)),
    "au mu-law": (partial(sound, "au", "pcm_mulaw", 1, 8000), heard(1, 8000)),
    "au truncated": (partial(half, partial(sound, "au", "pcm_s16be")), DAMAGED),
    "wav truncated": (partial(half, partial(sound, "wav", "pcm_s16le")), DAMAGED),
    "flac": (partial(sound, "flac", "flac", 2), heard(2)),
    "flac 5.1": (partial(sound, "flac", "flac", 6), heard(2)),
    "flac truncated": (partial(half, partial(sound, "flac", "flac")), DAMAGED),
    "ogg vorbis": (partial(sound, "ogg", "vorbis", 2, strict="-2"), heard(2, length=r"\d{4}")),
    "opus": (partial(sound, "ogg", "libopus", 1, 48000), heard(1, 48000)),
    "opus 5.1": (partial(sound, "ogg", "libopus", 6, 48000), heard(2, 48000)),
    "ogg flac": (partial(sound, "ogg", "flac", 2), heard(2)),
    "mp3": (partial(sound, "mp3", "libmp3lame"), heard(1, length=r"4\d+")),
    "mp3 without a tag": (
        partial(sound, "mp3", "libmp3lame", id3v2_version="0", write_xing="0"),
        heard(1, length=r"[45]\d+"),
    ),
    "mp3 with a cover": (song_with_a_cover, heard(1, length=r"[45]\d+")),
    "m4a": (partial(sound, "mp4", "aac", 2), heard(2, length=r"4\d+")),
    "m4a 5.1": (partial(sound, "mp4", "aac", 6), heard(2, length=r"4\d+")),
    "m4a 7.1": (partial(sound, "mov", "pcm_s16le", 8), heard(2)),
    "m4a alac": (partial(sound, "mp4", "alac", 2), heard(2)),
    "m4a truncated": (partial(half, partial(sound, "mp4", "aac")), DAMAGED),
    "mov of odd channels": (
        partial(sound, "mov", "pcm_s16le", 3, layout="FL+BL+SR"),
        heard(2),
    ),
    "webm of sound alone": (partial(sound, "webm", "libopus", 1, 48000), heard(1, 48000, r"1\d+")),
    # videos
    "mp4": (video, CLIP),
    "mp4 with sound": (partial(video, sound="aac"), rf"{CLIP}, audio 1 x \d+ at 48000"),
    "mp4 mpeg4": (partial(video, codec="mpeg4"), CLIP),
    "mp4 in fragments": (partial(video, movflags="frag_keyframe+empty_moov"), CLIP),
    "mp4 of one frame": (partial(video, frames=1), "video 48x32, 1 frames, 10 fps"),
    "mp4 of varying times": (
        partial(video, times=[0, 1, 2, 10, 11, 30]),
        r"video 48x32, 6 frames, \d\.\d+ fps",
    ),
    "mp4 turned": (turned_video, "video 32x48, 6 frames, 10 fps"),
    "mp4 of no tracks": (then(video, partial(without, box=b"trak")), f"{DAMAGED}|holds neither.*"),
    "mp4 of no table": (then(video, partial(without, box=b"stbl")), f"{DAMAGED}|holds neither.*"),
    "mp4 truncated": (partial(half, video), DAMAGED),
    "mov": (partial(video, "mov", "png", sound="pcm_f32le"), rf"{CLIP}, audio 1 x 28800 at 48000"),
    "mkv": (partial(video, "matroska", sound="flac"), rf"{CLIP}, audio 1 x 28800 at 48000"),
    "webm vp8": (partial(video, "webm", "libvpx", sound="libopus"), rf"{CLIP}, audio 1 x .*"),
    "webm vp9": (partial(video, "webm", "libvpx-vp9"), CLIP),
    "webm live": (partial(video, "webm", "libvpx", live="1"), CLIP),
    # neither
    "empty": (bytes, "is empty"),
    "text": (lambda: b"Dear diary, today I renamed a file.", NOTHING),
    "text that begins as a bitmap": (lambda: b"BMW is a maker of cars and motorcycles", NOTHING),
    "zeros": (lambda: bytes(1000), NOTHING),
    "a zip": (lambda: b"PK\3\4" + bytes(1000), NOTHING),
    "a playlist": (lambda: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", NOTHING),
    "a script": (lambda: b"ffconcat version 1.0\nfile /etc/passwd\n", NOTHING),
    **{
        f"{label} of nothing else": (partial(bytes, signature), f"{DAMAGED}|holds neither.*")
        for label, signature in {
            "png": b"\x89PNG\r\n\x1a\n",
            "jpeg": b"\xff\xd8\xff\xe0",
            "gif": b"GIF89a",
            "webp": b"RIFF\4\0\0\0WEBP",
            "bmp": b"BM\x0e\0\0\0\0\0\0\0",
            "tiff": b"II*\0",
            "avif": b"\0\0\0\x10ftypavif\0\0\0\0",
            "wav": b"RIFF\4\0\0\0WAVE",
            "aiff": b"FORM\0\0\0\4AIFF",
            "au": b".snd",
            "flac": b"fLaC",
            "ogg": b"OggS",
            "mp3": b"ID3\3\0\0\0\0\0\0",
            "mp4": b"\0\0\0\x10ftypisom\0\0\0\0",
            "webm": b"\x1aE\xdf\xa3",
        }.items()
    },
}

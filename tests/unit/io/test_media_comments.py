"""The comment inside a file: read back exactly, without touching the medium."""

import json
from contextlib import suppress

import av
import pytest
import torch
from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo

from anygen.core.media import Audio, Image, Media
from anygen.core.modality import TABLE
from anygen.io.media_files import MediaError, read_comment, read_media, write_media
from support.odd_media import ZOO, picture, saved, sound, video

SUFFIXES = [suffix for row in TABLE.values() for suffix in row.write_suffixes]
COMMENTS = {
    "json": json.dumps({"prompt": 'a "cat"\n=;#\\ and ünïcode 世界 🎹', "seed": 1}),
    "spaces": "  around \t\r\n",
    "control characters": "\x01\x1b[31m\x7f",
    "100 kB": json.dumps({"prompt": "Grüße 世界 🎹 " * 5_000}, ensure_ascii=False),
    "escaped": json.dumps({"prompt": "Grüße 世界 🎹 " * 2_000}),
    # An EXIF block holds up to 65,533 bytes, some of them its own.
    **{f"{length} letters": "x" * length for length in (32_700, 32_730, 32_740, 32_770)},
}


@pytest.fixture
def media(image, audio, video) -> dict[str, Media]:
    rows = zip((image, audio, video), TABLE.values())
    return {suffix: medium for medium, row in rows for suffix in row.write_suffixes}


def content(medium: Media) -> torch.Tensor:
    match medium:
        case Image():
            return medium.pixels
        case Audio():
            return medium.samples
    return medium.frames


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("comment", COMMENTS.values(), ids=COMMENTS)
def test_a_comment_is_read_back_exactly(tmp_path, media, suffix, comment):
    path = write_media(media[suffix], tmp_path / f"a{suffix}", comment)
    assert read_comment(path) == comment


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_comment_does_not_change_the_medium_and_the_bytes_are_always_the_same(
    tmp_path, media, suffix
):
    plain, silent, said, again = (
        write_media(media[suffix], tmp_path / f"{number}{suffix}", comment)
        for number, comment in enumerate([None, "", "hello", "hello"])
    )
    assert read_comment(plain) is None
    assert plain.read_bytes() == silent.read_bytes()
    assert said.read_bytes() == again.read_bytes()
    assert content(read_media(said)).equal(content(read_media(plain)))


@pytest.mark.parametrize("comment", ["NUL \0", "half a pair \ud83c"])
def test_a_comment_that_no_file_can_hold_is_refused(tmp_path, image, comment):
    with pytest.raises(MediaError, match="a comment cannot hold NUL or half a surrogate pair"):
        write_media(image, tmp_path / "a.png", comment)
    assert not list(tmp_path.iterdir())


def test_other_programs_find_the_comment(tmp_path, media):
    paths = {s: write_media(media[s], tmp_path / f"a{s}", "hello") for s in SUFFIXES}
    with PILImage.open(paths[".png"]) as picture:
        assert picture.info["parameters"] == "hello"
    for suffix in (".jpg", ".webp"):
        with PILImage.open(paths[suffix]) as picture:
            stored = picture.getexif().get_ifd(0x8769)[0x9286]
            assert stored == b"UNICODE\0" + "hello".encode("utf-16-be")
    for suffix in (".wav", ".flac", ".mp4"):
        with av.open(str(paths[suffix])) as container:
            assert container.metadata["comment"] == "hello"
    assert b"ICMT" in paths[".wav"].read_bytes()
    assert b"comment=hello" in paths[".flac"].read_bytes().lower()
    assert b"DESCRIPTION=hello" in paths[".ogg"].read_bytes()
    assert b"\xa9cmt" in paths[".mp4"].read_bytes()


def user_comment(stored: bytes) -> bytes:
    exif = PILImage.Exif()
    exif.endian = "<"
    exif.get_ifd(0x8769)[0x9286] = stored
    return picture("RGB", "JPEG", exif=exif)


@pytest.mark.parametrize(
    ("data", "comment"),
    [
        (user_comment(b"UNICODE\0" + "grün".encode("utf-16-le")), "grün"),
        (user_comment(b"UNICODE\0" + "grün".encode("utf-16")), "grün"),
        (user_comment(b"ASCII\0\0\0hello\0  "), "hello"),
        (user_comment(b"\0" * 8 + "grün".encode()), "grün"),
        (user_comment(b"\0" * 40), None),
        (user_comment(b"ASCII\0\0\0" + b" " * 40), None),
        (user_comment(b"UNICODE\0\xd8"), "�"),
        (picture("RGB", "JPEG", comment=b"written by a camera \xff"), "written by a camera �"),
        (picture("RGB", "JPEG", exif=b"Exif\0\0nonsense"), None),
        (picture("RGB", "GIF"), None),
        (sound("wav", "pcm_s16le"), None),
        (video("matroska"), None),
    ],
    ids=range(12),
)
def test_what_others_have_left_is_read_as_far_as_it_can_be(tmp_path, data, comment):
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    assert read_comment(path) == comment


@pytest.mark.parametrize("name", ZOO)
def test_an_odd_file_has_no_comment_or_is_refused(tmp_path, name):
    path = tmp_path / "a.bin"
    path.write_bytes(ZOO[name][0]())
    with suppress(MediaError):
        assert read_comment(path) is None


def test_a_text_chunk_of_another_encoding_is_read(tmp_path):
    chunks = PngInfo()
    chunks.add_text("parameters", "größe", zip=True)
    path = tmp_path / "a.png"
    path.write_bytes(saved(PILImage.new("L", (1, 1)), "PNG", pnginfo=chunks))
    assert read_comment(path) == "größe"

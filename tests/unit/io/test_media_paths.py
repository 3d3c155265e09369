"""Files whose names or kinds are odd: read, or refused in one sentence."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from anygen.core.media import Image
from anygen.io.media_files import MediaError, read_comment, read_media, write_media
from support.odd_media import noise

NAMES = (
    "with spaces.png",
    'it\'s "quoted".png',
    "größe 世界 🎹.png",
    "new\nline \x1b[31m red.png",
    "back\\slash%d.png",
    "-o.png",
    "a:b|c.png",
    "right\u202eleft.png",
    os.fsdecode(b"\xff\xfe not utf-8.png"),
    "no suffix",
)


@contextmanager
def not_root() -> Iterator[None]:
    """Root may read everything; nobody may not."""
    own = os.geteuid()
    os.seteuid(own or 65534)
    try:
        yield
    finally:
        os.seteuid(own)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_read(tmp_path, name):
    (tmp_path / name).write_bytes(noise("PNG"))
    assert isinstance(read_media(tmp_path / name), Image)


@pytest.mark.parametrize("name", NAMES[:-1])
@pytest.mark.parametrize("suffix", [".png", ".wav", ".mp4"])
def test_a_file_of_any_name_is_written(tmp_path, request, name, suffix):
    media = {".png": "image", ".wav": "audio", ".mp4": "video"}[suffix]
    path = (tmp_path / name).with_suffix(suffix)
    write_media(request.getfixturevalue(media), path, "hello")
    assert read_comment(path) == "hello"
    assert list(tmp_path.iterdir()) == [path]


def test_a_complaint_shows_the_beginning_of_a_name_that_no_file_can_have(tmp_path):
    with pytest.raises(MediaError) as error:
        read_media(tmp_path / ("a" * 5_000))
    assert str(error.value).startswith(str(tmp_path)[:60])
    assert str(error.value).endswith("...: cannot be read: File name too long")
    assert len(str(error.value)) < 150


@pytest.mark.parametrize("name", NAMES)
def test_a_complaint_shows_no_control_character(tmp_path, name):
    (tmp_path / name).write_text("not a picture")
    for reader in (read_media, read_comment):
        with pytest.raises(MediaError) as error:
            reader(tmp_path / name)
        assert str(error.value).isprintable()


def test_missing_empty_and_special_files_are_refused_in_one_sentence(tmp_path):
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    for name, complaint in {
        "absent.png": "no such file",
        "absent/deep.png": "no such file",
        "empty.png/x.png": "cannot be read: Not a directory",
        "empty.png": "is empty",
        "pipe.png": "is a pipe or a device, not a file",
        "zero.png": "is a pipe or a device, not a file",
        "loop.png": "cannot be read: Too many levels of symbolic links",
        "n" * 300: "cannot be read: File name too long",
        ".": "is a folder, not a file",
    }.items():
        path = tmp_path / name
        for reader in (read_media, read_comment):
            with pytest.raises(MediaError) as error:
                reader(path)
            assert str(error.value) == f"{path}: {complaint}"


def test_a_name_with_nul_is_no_file():
    with pytest.raises(MediaError, match=r"^a\.png: no such file, as no name holds NUL$"):
        read_media("a\0.png")


def test_a_file_that_may_not_be_read_says_so(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(noise("PNG"))
    path.chmod(0)
    with not_root(), pytest.raises(MediaError, match=r"a\.png: cannot be read: Permission denied$"):
        read_media(path)

"""A file is replaced as a whole, and what cannot be one is named as the user named it."""

import errno
import os

import pytest

from anygen.core.schema import explain
from anygen.io.atomic import replacing


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    with pytest.raises(IsADirectoryError) as refused, replacing(tmp_path):
        pass
    assert explain(refused.value) == f"{tmp_path}: Is a directory"


def test_a_file_that_cannot_be_written_is_named_and_not_the_temporary_one(tmp_path):
    path = tmp_path / "gone" / "page.html"
    with pytest.raises(FileNotFoundError) as refused, replacing(path) as temporary:
        temporary.write_text("x")
    assert explain(refused.value) == f"{path}: No such file or directory"


def test_the_file_that_a_full_disk_does_not_take_is_named(tmp_path, monkeypatch):
    def fsync(stream):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as a write does, without a name

    path = tmp_path / "page.html"
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space") as refused, replacing(path) as temporary:
        temporary.write_text("x")
    assert explain(refused.value) == f"{path}: No space left on device"
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError) as refused:
        (tmp_path / "file").mkdir(exist_ok=True)
    assert explain(refused.value) == f"{tmp_path / 'file'}: is a file, where a folder is needed"

"""What the disk, the folder or a stranger's rows may do to a batch: one sentence each."""

import errno
import os
from pathlib import Path

import pytest

from anygen.batch.shards.finish import SUCCESS
from anygen.io.media_files import write_media
from support.batches import Painter, never_load, records, rows_of, run, write_rows
from support.worker_models import FullDisk


@pytest.mark.parametrize("source", ["a cat", "rows.jsonl"])
@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, "No space left on device"), (errno.EROFS, "Read-only file system")],
)
def test_a_disk_that_takes_nothing_more_ends_the_batch_and_the_next_run_continues(
    tmp_path, monkeypatch, source, number, reason
):
    monkeypatch.chdir(tmp_path)
    path = write_rows(tmp_path, *rows_of(*"abc")) if source == "rows.jsonl" else source
    room = [5]

    def fsync(stream):
        room[0] -= 1
        if room[0] < 0:
            raise OSError(number, reason)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        if path == source:
            room[0] = 1
        with pytest.raises(ValueError, match=f"^out: {reason}; once that is mended, the same"):
            run(Painter, path, Path("out"))
    run(Painter, path, Path("out"))
    assert {record["status"] for record in records(tmp_path / "out")} == {"ok"}


def test_a_worker_names_the_folder_of_a_full_disk(tmp_path):
    source = write_rows(tmp_path, *rows_of("a"))
    with pytest.raises(ValueError, match=r"out: No space left on device; once that is mended"):
        run(FullDisk, source, tmp_path / "out", workers=1, threads=1)


def test_a_folder_on_a_read_only_disk_is_one_sentence(tmp_path, monkeypatch):
    def mkdir(path, *arguments, **names):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    source = write_rows(tmp_path, *rows_of("a"))
    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(ValueError, match=r"^there: Read-only file system; once that is mended"):
        run(never_load, source, Path("there"))


def test_the_folder_of_another_job_is_refused_with_what_differs(tmp_path):
    source = write_rows(tmp_path, *rows_of("a"))
    run(Painter, source, tmp_path / "out", seed=1)
    assert (tmp_path / "out" / SUCCESS).exists()
    with pytest.raises(ValueError, match=r"folder of another job: seed was 1 and is 2; give"):
        run(never_load, source, tmp_path / "out", seed=2)


# --- media of rows


@pytest.fixture
def folders(tmp_path, image):
    """rows/, with cat.png in it, and beside it private/, with the same."""
    for name in ("rows", "private"):
        (tmp_path / name).mkdir()
        write_media(image, tmp_path / name / "cat.png")
    return tmp_path


def error_of(folders, path, **given):
    source = write_rows(folders / "rows", {"prompt": "what is this?", "image": path})
    out = folders / f"out{len(list(folders.iterdir()))}"
    [record] = run(Painter, source, out, **given)
    return record.get("error")


@pytest.mark.parametrize("path", ["cat.png", "./cat.png", "x/../cat.png", "../rows/cat.png"])
def test_rows_show_media_of_the_folder_of_their_file(folders, path):
    assert error_of(folders, path) is None


@pytest.mark.parametrize(
    "path", ["../private/cat.png", "x/../../private/cat.png", "{}/private/cat.png", "file://{}/x"]
)
def test_rows_show_no_media_of_other_folders_unless_they_are_allowed(folders, path):
    path = path.format(folders)
    assert error_of(folders, path).startswith("prompt.0: ")
    assert error_of(folders, path).endswith(
        " is not in the folder of the file of prompts; move it there, or allow its folder by "
        "--media-folder"
    )
    if path.endswith("cat.png"):
        assert error_of(folders, path, media_folders=(folders / "private",)) is None


def test_a_link_in_the_folder_may_lead_out_but_not_up_again(folders):
    (folders / "rows" / "link").symlink_to(folders / "private")
    assert error_of(folders, "link/cat.png") is None
    assert "no such file" in error_of(folders, "link/../private/cat.png").lower()

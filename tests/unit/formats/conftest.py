"""Media under the names that the examples of layouts use."""

import pytest

from anygen.io.media_files import write_media


@pytest.fixture
def folder(tmp_path, image, audio, video):
    """Media under the names that the examples use."""
    png = write_media(image, tmp_path / "picture.png").read_bytes()
    for name in ("k1.jpg", "part/k1.jpg", "coco/1.jpg", "a.jpg", "b.jpg", "image/12.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png)
    write_media(audio, tmp_path / "rain.wav")
    write_media(video, tmp_path / "clips" / "v1.mp4")
    return tmp_path

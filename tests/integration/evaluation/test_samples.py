"""The page of samples shows the first media of a task, whatever they are."""

import base64
import io

import pytest
import torch
from PIL import Image as Canvas

from anygen.core.media import Image, Video
from anygen.evaluation import samples
from anygen.evaluation.results import SAMPLES
from anygen.io.media_files import write_media
from anygen.reports.sheets import FRAME, FRAMES, GAP, GROUND, sheet
from support.html_page import Page, assert_is_whole
from support.people_rows import sound, video


def opened(uri: str) -> Canvas.Image:
    return Canvas.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")


def plain(value: int, side: int = 32) -> Image:
    return Image(torch.full((3, side, side), value, dtype=torch.uint8))


def near(pixel, colour) -> bool:
    return max(abs(a - b) for a, b in zip(pixel, colour)) <= 8


def test_a_sheet_has_a_tile_for_each_medium_and_leaves_the_missing_one_empty():
    found = opened(sheet([plain(0), None, plain(250), plain(60)], 3))
    step = 32 + GAP
    assert found.size == (3 * step - GAP, 2 * step - GAP)
    tiles = [found.getpixel((16 + x * step, 16 + y * step)) for x, y in ((0, 0), (1, 0), (2, 0))]
    assert near(tiles[0], (0, 0, 0))
    assert near(tiles[1], GROUND)
    assert near(tiles[2], (250, 250, 250))
    assert near(found.getpixel((16, 16 + step)), (60, 60, 60))


def test_a_video_is_a_strip_of_frames_in_the_order_of_time():
    frames = torch.stack([torch.full((3, 24, 24), 15 * t, dtype=torch.uint8) for t in range(15)])
    strip = opened(sheet([Video(frames, 8.0)], 1))
    assert strip.size == (FRAMES * FRAME, FRAME)
    levels = [strip.getpixel((FRAME * i + FRAME // 2, FRAME // 2))[0] for i in range(FRAMES)]
    assert levels == pytest.approx([30 * i for i in range(FRAMES)], abs=8)


@pytest.fixture
def lines(tmp_path):
    """70 pictures of which the second was not made, a sound, and an answer with two videos."""
    (tmp_path / SAMPLES).mkdir()
    media = {"a.png": plain(0), "b.png": plain(250), "s.wav": sound("flute", "chord")}
    for name, medium in {**media, "v.mp4": video("car", "growing")}.items():
        write_media(medium, tmp_path / SAMPLES / name)
    both = {"model": "a.png", "control": "b.png", "true": "b.png"}
    cases = [both if i != 1 else {"true": "b.png"} for i in range(70)]
    found = [line("pictures", i, files) for i, files in enumerate(cases)]
    found += [line("sounds", 0, {"model": "s.wav", "asked": "a.png"})]
    return [*found, line("multi", 0, {"model 1": "v.mp4", "model 2": "v.mp4"})]


def line(task, case, files):
    return {"task": task, "case": case, "prompt": f"<b>{task} {case}</b>", "files": files}


def test_the_page_shows_64_pictures_and_all_sources_beside_each_other(tmp_path, lines):
    page = Page(samples.write(tmp_path, {"model": "m", "suite": "world"}, lines[::-1]))
    assert_is_whole(page)
    labels = [found["alt"] for tag, found in page.tags if tag == "img"]
    assert sorted(labels) == ["answer", "answer", "answer", "plain caption", "true"]
    assert page.count("li") == 64 + 1 + 2
    assert "<b>pictures 63</b>" in page.text
    assert "<b>pictures 64</b>" not in page.text
    [answers] = [
        opened(found["src"])
        for tag, found in page.tags
        if tag == "img" and found["alt"] == "answer" and opened(found["src"]).width == 8 * 34 - GAP
    ]
    assert near(answers.getpixel((16, 16)), (0, 0, 0))
    assert near(answers.getpixel((16 + 34, 16)), GROUND)
    assert answers.height == 8 * 34 - GAP


def test_a_run_without_media_has_no_page(tmp_path):
    assert samples.write(tmp_path, {"model": "m", "suite": "world"}, []) is None
    assert not any(tmp_path.iterdir())

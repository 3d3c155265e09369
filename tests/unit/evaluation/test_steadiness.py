import pytest
import torch

from anygen.core.media import Video
from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.judges.steadiness import frames_alike, has_still_background
from mosit_data.world.render import render
from mosit_data.world.scene import Thing, VideoScene
from mosit_data.world.vocabulary import COLOURS, MOTIONS


@pytest.fixture(scope="module")
def judges() -> Judges:
    return Judges()


def video(concept="butterfly", motion="moving left", background="blue", pixels=28):
    thing = Thing(concept=concept, x=0.5, y=0.5, size=pixels / 64)
    return render(VideoScene(thing=thing, motion=motion, style="flat", background=background))


def spliced(first, second, frames):
    """The first video, with these frames of the second."""
    pixels = first.frames.clone()
    pixels[frames] = second.frames[frames]
    return Video(pixels, first.fps)


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_true_render_is_still_even_where_the_thing_reaches_the_border(motion):
    assert has_still_background(video(motion=motion, pixels=40))


@pytest.mark.parametrize("colour", COLOURS)
def test_one_frame_of_another_background_flickers(colour):
    other = "green" if colour != "green" else "red"
    assert not has_still_background(spliced(video(background=colour), video(background=other), [7]))


def test_a_slow_change_is_seen_between_frames_that_are_far_apart():
    steady = video(background="black")
    ramp = torch.arange(16).view(16, 1, 1, 1) * 3  # at most 3 of 255 from frame to frame
    assert not has_still_background(Video((steady.frames.int() + ramp).byte(), steady.fps))
    assert has_still_background(Video((steady.frames.int() + ramp // 5).byte(), steady.fps))


def test_frames_that_show_another_thing_are_counted(judges):
    steady = video()
    assert frames_alike(judges, steady) == (16, 16)
    drifting = spliced(steady, video("owl"), [11, 12, 13, 14, 15])
    assert frames_alike(judges, drifting) == (11, 16)

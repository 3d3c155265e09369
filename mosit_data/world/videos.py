"""Renders video scenes: every frame is a picture."""

import math
from collections.abc import Callable

import torch

from anygen.core.media import Video
from mosit_data.world.pictures import SIZE, render_picture
from mosit_data.world.scene import PictureScene, Thing, VideoScene

FRAMES = 16
FPS = 8.0


def render_video(scene: VideoScene, size: int = SIZE) -> Video:
    """The clip of a scene, (16, 3, size, size) at 8 frames/s; the same scene, the same pixels."""
    frames = [render_picture(frame(scene, i / (FRAMES - 1)), size).pixels for i in range(FRAMES)]
    return Video(torch.stack(frames), FPS)


def frame(scene: VideoScene, time: float) -> PictureScene:
    """The picture at `time`, from 0 (the first frame) to 1 (the last)."""
    thing = PATHS[scene.motion](scene.thing, time, scene.reach)
    return PictureScene(
        things=(thing,), style=scene.style, background=scene.background, shade=scene.shade
    )


def travel(axis: str, direction: int) -> Callable[[Thing, float, float], Thing]:
    """From one edge to the other."""

    def path(thing: Thing, time: float, reach: float) -> Thing:
        room = (1 - thing.size) * reach
        return thing.model_copy(update={axis: 0.5 + direction * room * (time - 0.5)})

    return path


def grow(start: float, end: float) -> Callable[[Thing, float, float], Thing]:
    """Between two shares of the thing's size, in the middle."""

    def path(thing: Thing, time: float, reach: float) -> Thing:
        share = start + (end - start) * time
        return thing.model_copy(update={"size": thing.size * share, "x": 0.5, "y": 0.5})

    return path


def bounce(thing: Thing, time: float, reach: float) -> Thing:
    """Two jumps from the ground."""
    ground, room = 1 - thing.size / 2, (1 - thing.size) * reach
    height = abs(math.sin(2 * math.pi * time))
    return thing.model_copy(update={"y": ground - room * height})


def spin(thing: Thing, time: float, reach: float) -> Thing:
    """One turn, counter-clockwise."""
    return thing.model_copy(update={"angle": 360 * time})


PATHS: dict[str, Callable[[Thing, float, float], Thing]] = {
    "moving left": travel("x", -1),
    "moving right": travel("x", 1),
    "moving up": travel("y", -1),
    "moving down": travel("y", 1),
    "growing": grow(0.3, 1.0),
    "shrinking": grow(1.0, 0.3),
    "bouncing": bounce,
    "spinning": spin,
}

"""Renders scenes of every kind."""

from collections.abc import Callable
from typing import Any

from anygen.core.media import Media
from mosit_data.world.pictures import render_picture
from mosit_data.world.scene import PictureScene, Scene, SoundScene, VideoScene
from mosit_data.world.sounds import render_sound
from mosit_data.world.videos import render_video

RENDERERS: dict[type, Callable[[Any], Media]] = {
    PictureScene: render_picture,
    SoundScene: render_sound,
    VideoScene: render_video,
}


def render(scene: Scene) -> Media:
    """The picture, the sound or the video that a scene describes."""
    return RENDERERS[type(scene)](scene)

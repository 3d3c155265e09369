"""Renders scenes of every kind."""

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

from anygen.core.media import Media
from mosit_data.world.pictures import render_picture
from mosit_data.world.scene import PictureScene, Scene, SoundScene, VideoScene
from mosit_data.world.sounds import render_sound
from mosit_data.world.videos import render_video

CHUNK = 64  # scenes that a process renders at a time
MANY = 2000  # scenes that take longer than starting processes

RENDERERS: dict[type, Callable[[Any], Media]] = {
    PictureScene: render_picture,
    SoundScene: render_sound,
    VideoScene: render_video,
}


def render(scene: Scene) -> Media:
    """The picture, the sound or the video that a scene describes."""
    return RENDERERS[type(scene)](scene)


def render_all(scenes: Sequence[Scene]) -> Iterator[Media]:
    """The media of the scenes, in their order; many are rendered by a process on every core."""
    processes = os.cpu_count() or 1 if len(scenes) >= MANY else 0
    chunks = DataLoader(
        scenes,  # type: ignore[arg-type]  # any sequence is a data set
        CHUNK,
        num_workers=processes,
        collate_fn=rendered,
        multiprocessing_context="spawn" if processes else None,
        generator=torch.Generator(),  # its seed is not drawn from those of the caller
    )
    for chunk in chunks:
        yield from pickle.loads(chunk)


def rendered(scenes: Sequence[Scene]) -> bytes:
    """Bytes, because tensors on their way between processes take a file descriptor each."""
    return pickle.dumps([render(scene) for scene in scenes])

"""Videos without a thing of the small world: a camera over unfamiliar pictures, and flicker."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch

from anygen.core.media import Video
from mosit_data.unfamiliar.pictures import DRAWERS, Draw, as_pixels
from mosit_data.world.scene import Split
from mosit_data.world.videos import FPS, FRAMES

SIDE = 96  # pixels of a frame
ROOM = 48  # pixels by which the picture is larger, for the camera to move in
FLICKER = 0.15  # share of the videos whose frames are unrelated pictures


def video(draw: Draw, rng: np.random.Generator) -> Video:
    """A window that drifts and shakes over one picture, with changing light."""
    if rng.random() < FLICKER:
        return Video(torch.stack([as_pixels(draw(rng, SIDE)) for _ in range(FRAMES)]), FPS)
    levels = draw(rng, SIDE + ROOM)
    start, end = rng.uniform(0, ROOM, (2, 2))
    shake, light = rng.uniform(0, 3), rng.uniform(0, 0.15)
    frames = []
    for time in np.linspace(0, 1, FRAMES):
        corner = start + (end - start) * time + rng.normal(0, shake, 2)
        top, left = corner.clip(0, ROOM).astype(int)
        frame = levels[top : top + SIDE, left : left + SIDE]
        frames.append(as_pixels(frame * (1 + rng.uniform(-light, light))))
    return Video(torch.stack(frames), FPS)


FAMILIES: Mapping[Split, Mapping[str, Callable[[np.random.Generator], Video]]] = {
    split: {draw.__name__: partial(video, draw) for draw in drawers}
    for split, drawers in DRAWERS.items()
}

"""Whether a video holds still: its background does not change, and its thing stays one thing.

N frames, P pixels of a frame's border.
"""

from collections import Counter

import torch

from anygen.core.media import Image, Video
from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.judges.pixels import border
from mosit_data.world.videos import FRAMES

STILL = 12.0  # of 255: a change of the background below that is not noticed
BACKGROUND = 0.75  # share of the border; a thing may touch the rest


def has_still_background(video: Video) -> bool:
    """Whether the background changes by less than STILL between any two frames."""
    border_NCP = border(video.frames)
    changes_NNP = (border_NCP[:, None] - border_NCP[None]).abs().mean(2)
    return bool(changes_NNP.quantile(BACKGROUND, dim=-1).max() < STILL)


def frames_alike(judges: Judges, video: Video) -> tuple[int, int]:
    """The frames in which the judge sees the thing that it sees in most, of FRAMES, and FRAMES."""
    moments = torch.linspace(0, len(video.frames) - 1, FRAMES).round().long()
    frames = [Image(frame) for frame in video.frames[moments]]
    objects = Counter(verdict["object"] for verdict in judges.judge(frames))
    return objects.most_common(1)[0][1], FRAMES

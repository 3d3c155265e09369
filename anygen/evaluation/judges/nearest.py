"""A check on the judges: the true render that is nearest to a medium.

Nothing is learned, so it cannot be fooled as a network can. It is strict, because the bank has few
sizes and places. Pictures are compared as blurred pixels, sounds as blurred log-mel spectrograms.

N renders in a bank, F features of each.
"""

from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from anygen.core.media import Audio, Image, Media
from anygen.evaluation.judges.judges import Verdict
from anygen.evaluation.judges.networks import picture_inputs, sound_inputs
from mosit_data.world.pictures import render_picture
from mosit_data.world.render import render
from mosit_data.world.scene import PictureScene, Scene, SoundScene, Thing
from mosit_data.world.sprites import concept_names
from mosit_data.world.vocabulary import PITCHES, SOUNDS, STYLES, TEMPI

SIDES = (24, 45, 58)  # pixels: a small, a normal and a large thing
BLURRED = (16, 16)  # pixels of a picture: each is the mean of 4 x 4
BLURRED_MEL = (32, 48)  # bands and frames of a sound


def nearest(medium: Media, scene: Scene) -> Verdict:
    """What the nearest render shows: the `object` on the scene's background, or the `sound`.

    Empty for videos and pictures of two things, which have no bank.
    """
    if isinstance(scene, SoundScene) and isinstance(medium, Audio):
        names, bank = sound_bank()
        return {"sound": names[closest(blurred_sounds([medium]), bank)]}
    if isinstance(scene, PictureScene) and scene.relation is None and isinstance(medium, Image):
        names, bank = picture_bank(scene.background)
        return {"object": names[closest(blurred_pictures([medium]), bank)]}
    return {}


def closest(row: Tensor, bank: Tensor) -> int:
    """The index of the row of `bank` (N, F) at the smallest distance from `row` (1, F)."""
    return int(torch.cdist(row, bank).argmin())


@cache
def picture_bank(background: str) -> tuple[list[str], Tensor]:
    """Every concept in every style and size, centred: names, and (N, 768)."""
    names, pictures = [], []
    for concept in concept_names():
        for style in STYLES:
            for side in SIDES:
                thing = Thing(concept=concept, x=0.5, y=0.5, size=side / 64)
                scene = PictureScene(things=(thing,), style=style, background=background)
                names.append(concept)
                pictures.append(render_picture(scene))
    return names, blurred_pictures(pictures)


@cache
def sound_bank() -> tuple[list[str], Tensor]:
    """Every sound with all its patterns, pitches and tempi: names, and (N, 1536)."""
    scenes = [scene for name in SOUNDS for scene in clips(name)]
    return [scene.sound for scene in scenes], blurred_sounds([render(scene) for scene in scenes])


def clips(name: str) -> list[SoundScene]:
    patterns = SOUNDS[name].patterns
    if not patterns:
        return [SoundScene(sound=name)]
    pitches = list(PITCHES) if len(patterns) > 1 else [None]
    return [
        SoundScene(sound=name, pattern=pattern, pitch=pitch, tempo=tempo)
        for pattern in patterns
        for pitch in pitches
        for tempo in TEMPI
    ]


def blurred_pictures(pictures: Sequence[Image]) -> Tensor:
    return F.adaptive_avg_pool2d(picture_inputs(pictures), BLURRED).flatten(1)


def blurred_sounds(sounds: Sequence[Media]) -> Tensor:
    mels = torch.cat([sound_inputs([sound]) for sound in sounds if isinstance(sound, Audio)])
    return F.adaptive_avg_pool2d(mels, BLURRED_MEL).flatten(1)

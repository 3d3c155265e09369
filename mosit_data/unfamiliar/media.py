"""Unfamiliar media as small specifications: a modality, a family and a seed.

Families of the training split and those of the held-out split are different ones, so that held-out
media show whether what was learned extends to media of a kind that training never contained.
"""

import random
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from anygen.core.media import Media
from anygen.core.modality import MediaModality
from mosit_data.unfamiliar import pictures, sounds, videos
from mosit_data.world.scene import Split

Make = Callable[[np.random.Generator], Media]
FAMILIES: Mapping[MediaModality, Mapping[Split, Mapping[str, Make]]] = {
    "image": pictures.FAMILIES,
    "audio": sounds.FAMILIES,
    "video": videos.FAMILIES,
}


class UnfamiliarMedium(NamedTuple):
    """Equal specifications render to equal media."""

    modality: MediaModality
    split: Split
    family: str
    seed: int


def sample_unfamiliar(
    modality: MediaModality, rng: random.Random, split: Split = "train"
) -> UnfamiliarMedium:
    """A random medium of a random family of a split."""
    family = rng.choice(list(FAMILIES[modality][split]))
    return UnfamiliarMedium(modality, split, family, rng.getrandbits(48))


def render_unfamiliar(medium: UnfamiliarMedium) -> Media:
    """The medium of a specification."""
    make = FAMILIES[medium.modality][medium.split][medium.family]
    return make(np.random.default_rng(medium.seed))

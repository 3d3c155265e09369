"""Real photographs: does the answer name the class that the vision trunk itself ranks first?

The photographs are those that scikit-image carries.
"""

import random
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch

from anygen.data import PHOTOGRAPH_QUESTIONS
from anygen.media import Image, Message
from anygen.metrics import places
from anygen.suites.cases import Case
from anygen.suites.scoring import Answered, Bench, Outcome, words_of
from encoders.parts.vision import fit

NAMES = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "clock",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "moon",
    "rocket",
    "stereo_motorcycle",
)
COUNT = len(NAMES)


def photograph_case(rng: random.Random, index: int) -> Case:
    """A question about one photograph. Raises ValueError without scikit-image."""
    question = rng.choice(PHOTOGRAPH_QUESTIONS)
    return Case([Message("user", (read_photograph(NAMES[index]), question))])


def read_photograph(name: str) -> Image:
    try:
        read: Callable[[], Any] = getattr(import_module("skimage.data"), name)
    except ImportError as error:
        raise ValueError(
            "the row photographs needs scikit-image: pip install scikit-image"
        ) from error
    found = read()
    picture = np.asarray(found[0] if isinstance(found, tuple) else found)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    return Image(torch.from_numpy(picture.copy()).permute(2, 0, 1).contiguous())


def score_photographs(bench: Bench, answered: Sequence[Answered]) -> list[Outcome]:
    outcomes = []
    for case, _, answer in answered:
        photograph = case.messages[0].parts[0]
        assert isinstance(photograph, Image)
        text, seen = words_of(answer), trunk_class(bench.model.encoder, photograph)
        right = bool(places(seen.lower(), text.lower()))
        scores = {"photographs": {"model": (int(right), 1)}}
        outcomes.append(Outcome(scores, f"{text} [the vision trunk: {seen}]"))
    return outcomes


@torch.inference_mode()
def trunk_class(encoder: Any, photograph: Image) -> str:
    _, names = encoder.prototypes()
    pixels = fit(photograph.pixels[None], encoder.config.image_size)
    return names[int(encoder.vision.trunk(pixels).logits.argmax())]

"""Real photographs: does the answer name the class that the vision trunk itself ranks first?

They are those that scikit-image (8 that show a thing) and foolbox (20 of ImageNet) carry, where
these are installed: `pip install scikit-image` and `pip install --no-deps foolbox` bring them.
"""

import random
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anygen.data import PHOTOGRAPH_QUESTIONS
from anygen.media import Image, Message
from anygen.media_files import read_media
from anygen.metrics import places
from anygen.suites.cases import Case
from anygen.suites.scoring import Answered, Bench, Outcome, words_of
from encoders.parts.vision import fit

NAMES = (
    "astronaut",
    "camera",
    "chelsea",
    "clock",
    "coffee",
    "coins",
    "rocket",
    "stereo_motorcycle",
)


def photographs() -> Sequence[Callable[[], Image]]:
    """A reader for each photograph that is installed, in an order that stays."""
    foolbox = find_spec("foolbox")
    folder = Path(str(foolbox.origin)).parent if foolbox else None
    files = sorted(folder.glob("data/imagenet_*.jpg")) if folder else []
    names = NAMES if find_spec("skimage") else ()
    return [*(partial(read_example, n) for n in names), *(partial(read_file, f) for f in files)]


def read_example(name: str) -> Image:
    """A photograph of scikit-image; of a stereo pair the left one, grey ones in three channels."""
    found = getattr(import_module("skimage.data"), name)()
    picture = np.asarray(found[0] if isinstance(found, tuple) else found)
    coloured = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    return Image(torch.from_numpy(coloured.copy()).permute(2, 0, 1).contiguous())


def read_file(path: Path) -> Image:
    photograph = read_media(path)
    assert isinstance(photograph, Image)
    return photograph


def photograph_case(rng: random.Random, index: int) -> Case:
    """A question about one photograph."""
    question = rng.choice(PHOTOGRAPH_QUESTIONS)
    return Case([Message("user", (photographs()[index](), question))])


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

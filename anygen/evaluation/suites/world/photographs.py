"""Real photographs: does the answer name the class that the vision trunk itself ranks first?

They come with scikit-image (8 that show a thing), foolbox (20 of ImageNet) and Debian's
tuxpaint-stamps-default (26, on white), as far as these are installed: `pip install scikit-image`,
`pip install --no-deps foolbox`, `apt install tuxpaint-stamps-default`.
"""

import random
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from anygen.core.media import Image, Message
from anygen.evaluation.metrics import places
from anygen.evaluation.suites.base import AnsweredCase, Bench, Case, Outcome, text_of
from anygen.io.media_files import read_media
from encoders.base import JointEncoder

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

QUESTIONS = (
    "What is in this picture?",
    "What is this?",
    "What does this photo show?",
    "Which animal or thing is this?",
    "Describe this picture.",
    "what do you see",
)
STAMPS = Path("/usr/share/tuxpaint/stamps")
# The stamps that the vision trunk classifies with at least 0.74, without the drawings.
STAMP_NAMES = (
    "animals/insects/Woodlouse.png",
    "animals/insects/grasshopper.png",
    "animals/insects/mantis.png",
    "animals/mammals/apes/chimp.png",
    "animals/mammals/bears/toys/edward_bear.png",
    "animals/mammals/bovines/yak.png",
    "animals/mammals/camel/camel.png",
    "animals/mammals/camel/dromedary.png",
    "animals/mammals/rodents/beaver.png",
    "animals/mammals/rodents/rabbit-2.png",
    "animals/mammals/rodents/rabbit.png",
    "animals/mammals/rodents/squirrel.png",
    "food/vegetables/broccoli.png",
    "hobbies/binoculars.png",
    "hobbies/camera_35mm.png",
    "hobbies/music/brass/trumpet.png",
    "household/toilet.png",
    "medical/bandage_adhesive.png",
    "medical/stethoscope.png",
    "medical/syringe.png",
    "military/paratrooper.png",
    "sports/basketball.png",
    "town/roadsigns/school_sign.png",
    "vehicles/cycle/pink_tricycle.png",
    "vehicles/emergency/firetruck.png",
    "vehicles/garbagetruck.png",
)


def photographs() -> Sequence[Callable[[], Image]]:
    """A reader for each installed photograph, always in the same order."""
    foolbox = find_spec("foolbox")
    folder = Path(str(foolbox.origin)).parent if foolbox else None
    files = sorted(folder.glob("data/imagenet_*.jpg")) if folder else []
    stamps = [STAMPS / name for name in STAMP_NAMES]
    files += [stamp for stamp in stamps if stamp.is_file()]
    names = NAMES if find_spec("skimage") else ()
    return [*(partial(read_example, n) for n in names), *(partial(read_file, f) for f in files)]


def read_example(name: str) -> Image:
    """A photograph of scikit-image: of a stereo pair the left one, grey ones in three channels."""
    example = getattr(import_module("skimage.data"), name)()
    picture = np.asarray(example[0] if isinstance(example, tuple) else example)
    coloured = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    return Image(torch.from_numpy(coloured.copy()).permute(2, 0, 1).contiguous())


def read_file(path: Path) -> Image:
    photograph = read_media(path)
    assert isinstance(photograph, Image)
    return photograph


def photograph_case(rng: random.Random, index: int) -> Case:
    """A question about one photograph."""
    question = rng.choice(QUESTIONS)
    return Case([Message("user", (photographs()[index](), question))])


def score_photographs(bench: Bench, answered: Sequence[AnsweredCase]) -> list[Outcome]:
    """Compares with the encoder's classifier; without one, the answers are not scored."""
    encoder = bench.anygen.model.encoder
    if not isinstance(encoder, JointEncoder):
        return [Outcome({}, text_of(answer)) for _, _, answer in answered]
    outcomes = []
    for case, _, answer in answered:
        photograph = case.messages[0].parts[0]
        assert isinstance(photograph, Image)
        text, [name] = text_of(answer), encoder.classify([photograph])
        right = bool(places(name.lower(), text.lower()))
        scores = {"photographs": {"model": (int(right), 1)}}
        outcomes.append(Outcome(scores, text, {"what the vision trunk sees": name}))
    return outcomes

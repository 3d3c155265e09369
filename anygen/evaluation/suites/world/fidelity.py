"""How close pictures are to true renders: their fine detail, and where the vision trunk puts them.

Numbers of a case by source (`model`, `control`, `true`): `fine_*` is the power above half the
Nyquist frequency, `near_*` the distance to the nearest render of the same scene, `trunk_*` a point.
Distances and points are in the trunk's features, averaged over the picture; points are a random
projection of them onto a few directions, so that 200 pictures suffice for a covariance.

N pictures, K tokens of one, W width of the trunk's features, R directions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from anygen.core.media import Image, Media
from anygen.evaluation.features.distances import frechet_distance
from anygen.evaluation.judges.pixels import fine_power
from anygen.evaluation.suites.base import (
    AnsweredCase,
    Bench,
    Measure,
    Numbers,
    Outcome,
    ScoreAnswers,
)
from anygen.evaluation.suites.world.scoring import score_media
from encoders.base import JointEncoder
from mosit_data.world.pictures import render_picture
from mosit_data.world.scene import NORMAL, SIZES, PictureScene

DIRECTIONS = 16  # R
ENOUGH = 10 * DIRECTIONS  # pictures; with fewer, the distance is mostly bias


def score_looks(*rows: str) -> ScoreAnswers:
    """Scores pictures in these rows, and adds the numbers of sharpness and nearness."""
    score = score_media(*rows)

    def score_with_numbers(bench: Bench, answered: Sequence[AnsweredCase]) -> list[Outcome]:
        outcomes = score(bench, answered)
        encoder = getattr(bench.anygen.model, "encoder", None)
        return [
            replace(outcome, numbers=look_numbers(encoder, case.scene, outcome.media))
            for (case, _, _), outcome in zip(answered, outcomes)
            if isinstance(case.scene, PictureScene)
        ]

    return score_with_numbers


def look_numbers(encoder: object, scene: PictureScene, media: Mapping[str, Media]) -> Numbers:
    """The numbers of a case; those of the trunk only if the encoder has one."""
    true = render_picture(scene)
    side = true.pixels.shape[-1]
    pictures = {name: medium for name, medium in media.items() if isinstance(medium, Image)}
    numbers: dict[str, Any] = {"fine_model": 0.0}  # of no answer
    numbers |= {f"fine_{name}": fine_power(picture, side) for name, picture in pictures.items()}
    if not isinstance(encoder, JointEncoder):
        return numbers
    features_NW = trunk_features(encoder, [*pictures.values(), *renders(scene)])
    sources_NW, renders_NW = features_NW.tensor_split([len(pictures)])
    nearest_N = torch.cdist(sources_NW, renders_NW).amin(1)
    points_NR = sources_NW @ directions(features_NW.shape[1])
    for name, distance, point in zip(pictures, nearest_N.tolist(), points_NR.tolist()):
        numbers |= {f"near_{name}": distance, f"trunk_{name}": [round(x, 5) for x in point]}
    return numbers


def renders(scene: PictureScene) -> list[Image]:
    """The scene as it is, and with its thing in other sizes."""
    [thing] = scene.things
    sized = [thing.model_copy(update={"size": pixels / NORMAL}) for pixels in SIZES.values()]
    scenes = [scene, *(scene.model_copy(update={"things": (other,)}) for other in sized)]
    return [render_picture(one) for one in scenes]


@torch.inference_mode()
def trunk_features(encoder: JointEncoder, pictures: Sequence[Image]) -> Tensor:
    """(N, W): the frozen trunk's tokens, averaged over each picture."""
    tokens_NKW = torch.stack(encoder.observe("image", pictures))
    return tokens_NKW.mean(1).float().cpu()


@cache
def directions(width: int) -> Tensor:
    """(W, R): orthonormal, always the same ones."""
    generator = torch.Generator().manual_seed(0)
    square = torch.randn(width, min(width, DIRECTIONS), generator=generator)
    return torch.linalg.qr(square).Q


def sharpness(source: str, numbers: Sequence[Numbers]) -> float | None:
    """Fine power as a share of that of true renders; more than theirs counts as less."""
    power, true = (sum(row[f"fine_{name}"] for row in numbers) for name in (source, "true"))
    return 100 * min(power, true) / max(power, true) if true else None


def nearness(numbers: Sequence[Numbers]) -> float | None:
    """The mean distance to the nearest render, in percent of that of plain captions."""
    distance, control = (sum(row[f"near_{n}"] for row in numbers) for n in ("model", "control"))
    return 100 * distance / control if control else None


def distance_ratio(numbers: Sequence[Numbers]) -> float | None:
    """The Frechet distance to true renders, in percent of that of plain captions."""
    if len(numbers) < ENOUGH:
        return None
    model, control, true = (
        torch.tensor([row[f"trunk_{name}"] for row in numbers])
        for name in ("model", "control", "true")
    )
    reference = frechet_distance(control, true)
    return 100 * frechet_distance(model, true) / reference if reference else None


def difference(name: str, numbers: Numbers) -> float:
    """How much closer the plain caption's picture is to the true one than the answer's."""
    gap: float = numbers[f"{name}_control"] - numbers[f"{name}_model"]
    return gap


SHARPNESS = Measure(
    ("fine_model", "fine_control", "fine_true"),
    lambda numbers: sharpness("model", numbers),
    lambda numbers: numbers["fine_model"] / max(numbers["fine_true"], 1e-12),
    lambda numbers: sharpness("control", numbers),
)
NEAREST = Measure(
    ("near_model", "near_control"), nearness, lambda numbers: difference("near", numbers)
)
FRECHET = Measure(
    ("trunk_model", "trunk_control", "trunk_true"),
    distance_ratio,
    lambda numbers: difference("near", numbers),
)

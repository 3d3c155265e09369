"""Judges: small networks that name the content of media of the small world.

They learn from true renders that are blurred, noisy and off in colour, never from generated media.
Those of pictures and motions learn from the training split. That of sounds also learns held-out
combinations: otherwise it would learn that these do not exist, and judge against them. Instead one
transposition is held out for it (`UNSEEN_SHIFT`). `accuracy` measures on what was not learned.

`python -m anygen.evaluation.judges.judges picture` trains one on the CPU in minutes (`picture`,
`sound`, `motion`) and writes its weights, less than 1 MB, to anygen/pretrained/judges/.

B media, C channels, h x w cells of a grid.
"""

import argparse
import logging
import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from anygen.checkpoints.checkpoint import save_weights
from anygen.core.media import Image, Media, modality_of
from anygen.core.modality import MediaModality
from anygen.evaluation.judges.networks import (
    FOLDER,
    GRID,
    KINDS,
    NOTHING,
    UNSEEN_SHIFT,
    Network,
    load_network,
    train,
)
from mosit_data.world.render import render
from mosit_data.world.scene import (
    Scene,
    SoundScene,
    VideoScene,
    usual_scene,
)
from mosit_data.world.sprites import concept_names

Verdict = dict[str, str]  # such as {"object": "cat", "style": "flat"}

# The parts of the grid with the two things of a relation, as (rows, columns).
FIRST, SECOND, ALL = slice(0, GRID // 2), slice(GRID // 2, GRID), slice(0, GRID)
HALVES = {
    "left": (ALL, FIRST),
    "right": (ALL, SECOND),
    "top": (FIRST, ALL),
    "bottom": (SECOND, ALL),
}
PLACES = {
    "to the left of": ("left", "right"),
    "to the right of": ("right", "left"),
    "above": ("top", "bottom"),
    "below": ("bottom", "top"),
}


class Judges:
    """All judges; the weights of each are loaded on first use."""

    def __init__(self) -> None:
        self.networks: dict[str, Network] = {}

    def judge(self, media: Sequence[Media]) -> list[Verdict]:
        """What media of one modality show, with the keys of `truth`, for each."""
        return JUDGE[modality_of(media[0])](self, media)

    @torch.inference_mode()
    def maps(self, name: str, media: Sequence[Any]) -> dict[str, Tensor]:
        """(B, labels, h, w) per head, unnormalised."""
        if name not in self.networks:
            self.networks[name] = load_network(name)
        return self.networks[name](KINDS[name].inputs(media))

    def pictures(self, images: Sequence[Media]) -> list[Verdict]:
        maps = self.maps("picture", images)
        evidence = maps["object"].softmax(1)[:, :NOTHING]  # (B, concepts, h, w)
        verdicts = best_labels("picture", {name: maps[name] for name in ("style", "background")})
        for verdict, cells in zip(verdicts, evidence):
            verdict["object"] = best_concept(cells)
            for half, (rows, columns) in HALVES.items():
                verdict[half] = best_concept(cells[:, rows, columns])
        return verdicts

    def sounds(self, sounds: Sequence[Media]) -> list[Verdict]:
        return best_labels("sound", self.maps("sound", sounds))

    def videos(self, videos: Sequence[Any]) -> list[Verdict]:
        """The motion in a video, and the object that the picture judge finds in its frames."""
        verdicts = best_labels("motion", self.maps("motion", videos))
        for verdict, video in zip(verdicts, videos):
            maps = self.maps("picture", [Image(frame) for frame in video.frames])
            evidence = maps["object"].softmax(1)[:, :NOTHING].sum(0)
            verdict["object"] = best_concept(evidence)
        return verdicts


JUDGE: dict[MediaModality, Callable[[Judges, Sequence[Media]], list[Verdict]]] = {
    "image": Judges.pictures,
    "audio": Judges.sounds,
    "video": Judges.videos,
}


def best_labels(name: str, maps: dict[str, Tensor]) -> list[Verdict]:
    """The most probable label of every head of a judge, for each medium."""
    best = {head: cells.mean((2, 3)).argmax(1).tolist() for head, cells in maps.items()}
    labels = KINDS[name].heads
    rows = zip(*best.values())
    return [{head: labels[head][i] for head, i in zip(best, row)} for row in rows]


def best_concept(evidence: Tensor) -> str:
    """(concepts, h, w) -> the concept with the most evidence in all cells."""
    return concept_names()[int(evidence.sum((1, 2)).argmax())]


def truth(scene: Scene) -> Verdict:
    """The right verdict on a scene's medium; two things are judged by halves of the picture."""
    if isinstance(scene, SoundScene):
        pattern = {"pattern": scene.pattern} if scene.pattern else {}
        return {"sound": scene.sound, **pattern}
    if isinstance(scene, VideoScene):
        return {"object": scene.thing.concept, "motion": scene.motion}
    look = {"style": scene.style, "background": scene.background}
    if scene.relation is None:
        return {"object": scene.things[0].concept, **look}
    places = zip(PLACES[scene.relation], scene.things)
    return look | {place: thing.concept for place, thing in places}


def accuracy(
    judges: Judges, modality: MediaModality, count: int, seed: int
) -> dict[str, tuple[int, int]]:
    """How often the judges are right about new true renders: (right, judged) per key.

    Things have their usual colours there, as in what the judges learned.
    """
    rng = random.Random(seed)
    scores: dict[str, tuple[int, int]] = {}
    for _ in range(count):
        scene = unlearned(usual_scene(modality, rng, "heldout"))
        [verdict] = judges.judge([render(scene)])
        for key, name in truth(scene).items():
            right, judged = scores.get(key, (0, 0))
            scores[key] = (right + (verdict[key] == name), judged + 1)
    return scores


def unlearned(scene: Scene) -> Scene:
    """A held-out scene that differs from everything that judges learned."""
    if isinstance(scene, SoundScene):
        return scene.model_copy(update={"transpose": UNSEEN_SHIFT})
    return scene


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a judge.")
    parser.add_argument("name", choices=KINDS)
    name = parser.parse_args().name
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    network = train(KINDS[name], KINDS[name].steps)
    save_weights(network.state_dict(), FOLDER / f"{name}.safetensors", torch.float16)


if __name__ == "__main__":
    main()

"""What fewer denoising steps cost: shares of media that judges call right, one line of JSON.

    python benchmarks/steps.py [--modalities image,audio,video] [--cases 100]
        [--steps 8,10,12,15,20] [--schedulers dpm++,unipc]

The decoders of mini render plain captions of training combinations, with the same seeds for every
number of steps, so that no default is chosen by what the evaluation holds out.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import torch

from anygen import AnyGen
from anygen.core.modality import MediaModality
from anygen.evaluation.judges.judges import Judges, truth
from anygen.evaluation.metrics import wilson
from anygen.evaluation.suites.world.scoring import agrees
from decoders.base import RenderRequest, SampleOptions, never, no_progress
from mosit_data.world.scene import Scene, caption, fully, sample_scene

BATCH = 8
KEYS: dict[MediaModality, tuple[str, ...]] = {
    "image": ("object", "style", "background", "left", "right", "top", "bottom"),
    "audio": ("sound", "pattern"),
    "video": ("object", "motion"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="What fewer denoising steps cost.")
    parser.add_argument("--modalities", default=",".join(KEYS))
    parser.add_argument("--cases", type=int, default=100, help="per modality")
    parser.add_argument("--steps", default="8,10,12,15,20")
    parser.add_argument("--schedulers", default="dpm++,unipc")
    given = parser.parse_args()
    model, judges = AnyGen.from_pretrained("mini"), Judges()
    settings = list(product(given.schedulers.split(","), map(int, given.steps.split(","))))
    figures: dict[str, Any] = {"cases": given.cases, "torch": torch.__version__}
    for modality in given.modalities.split(","):
        scenes = list(some_scenes(modality, given.cases))
        for scheduler, steps in settings:
            options = SampleOptions(scheduler=scheduler, steps=steps)
            row = shares(model.model.decoders[modality], judges, modality, scenes, options)
            figures[f"{modality}_{scheduler}_{steps}"] = row
    print(json.dumps(figures))


def some_scenes(modality: MediaModality, count: int) -> Iterator[Scene]:
    rng = random.Random(f"steps/{modality}")
    for _ in range(count):
        yield fully(sample_scene(modality, rng, "train"))


def shares(
    decoder: Any,
    judges: Judges,
    modality: MediaModality,
    scenes: Sequence[Scene],
    options: SampleOptions,
) -> dict[str, Any]:
    """Percent right of each thing that the captions say, with the 95 % interval; and seconds."""
    right: dict[str, list[bool]] = {}
    began = time.perf_counter()
    for start in range(0, len(scenes), BATCH):
        chunk = scenes[start : start + BATCH]
        media = render(decoder, [caption(scene) for scene in chunk], start, options)
        for scene, verdict in zip(chunk, judges.judge(media)):
            for key, name in truth(scene).items():
                if key in KEYS[modality]:
                    right.setdefault(key, []).append(agrees(verdict, {key: name}))
    seconds = round(time.perf_counter() - began, 1)
    return {key: percent(correct) for key, correct in sorted(right.items())} | {"seconds": seconds}


@torch.inference_mode()
def render(decoder: Any, captions: Sequence[str], first: int, options: SampleOptions) -> list[Any]:
    conditions = decoder.encode_prompt(captions)
    tasks = [RenderRequest(c, seed, options) for seed, c in enumerate(conditions, first)]
    return decoder.sample(tasks, no_progress, never)


def percent(correct: Sequence[bool]) -> list[float]:
    low, high = wilson(sum(correct), len(correct))
    return [round(100 * value, 1) for value in (sum(correct) / len(correct), low, high)]


if __name__ == "__main__":
    main()

"""What a run shows of what it has learned: media that are written beside its log."""

import random
from typing import Any

import torch
from torch import nn

from anygen.config.run import Run
from anygen.core.media import Media
from anygen.core.modality import MediaModality
from anygen.training.mixtures import draw_media
from decoders.base import Task, never, no_progress

SAMPLE_CAPTIONS: dict[MediaModality, list[str]] = {
    "image": [
        "a flat cat on a blue background",
        "a 3d pizza on a red background",
        "a cartoon dog",
        "a 3d rocket to the left of a 3d apple on a green background",
        "three flat apples on a white background",
        "a guitar",
        "a small cartoon star on a black background",
        "a car",
    ],
    "audio": [
        "a violin playing a rising melody",
        "a slow trumpet playing repeated notes",
        "the sound of a seashore",
        "a drum kit playing a beat",
    ],
    "video": [
        "a 3d rocket moving up on a black background",
        "a flat cat moving left",
        "a cartoon star spinning on a blue background",
        "a 3d apple growing",
    ],
}


def examples_to_show(run: Run, count: int) -> dict[str, list[Media]]:
    """The same few true media at every step of a run."""
    shown = run.model_copy(update={"batch_size": count, "rows": {}})
    return {m: draw_media(m, shown, random.Random(0)) for m in run.decoders}


@torch.no_grad()
def reconstructions(model: nn.Module, run: Run) -> dict[str, Media]:
    """True media, and what the autoencoder makes of them."""
    shown: dict[str, Media] = {}
    for modality, media in examples_to_show(run, 4).items():
        decoder: Any = model.decoders[modality]
        made = decoder.from_latents(decoder.to_latents(media))
        for index, (true, again) in enumerate(zip(media, made)):
            shown[f"{modality}_{index}_true"], shown[f"{modality}_{index}_made"] = true, again
    return shown


@torch.no_grad()
def resynthesis(model: nn.Module, run: Run) -> dict[str, Media]:
    """True sounds, and what the vocoder makes of their spectrograms."""
    shown: dict[str, Media] = {}
    for modality, media in examples_to_show(run, 4).items():
        decoder: Any = model.decoders[modality]
        for index, (true, again) in enumerate(zip(media, decoder.resynthesize(media))):
            shown[f"{modality}_{index}_true"], shown[f"{modality}_{index}_made"] = true, again
    return shown


@torch.no_grad()
def renderings(model: nn.Module, run: Run) -> dict[str, Media]:
    """What the decoders make of a few fixed captions."""
    shown: dict[str, Media] = {}
    for modality in dict.fromkeys(run.decoders):
        decoder: Any = model.decoders[modality]
        captions = SAMPLE_CAPTIONS[modality]
        conditions = decoder.encode_prompt(captions)
        tasks = [Task(condition, seed) for seed, condition in enumerate(conditions)]
        media = decoder.sample(tasks, no_progress, never)
        shown |= {f"{modality}_{index}": medium for index, medium in enumerate(media)}
    return shown


def no_samples(model: nn.Module, run: Run) -> dict[str, Media]:
    return {}

"""Sample media that show what a run has learned; they are written beside its log."""

import random
from typing import cast

import torch

from anygen.config.run import Run
from anygen.core.media import Media
from anygen.core.modality import MediaModality
from anygen.model.multimodal import MultimodalModel
from anygen.training.data.media import some_media
from anygen.training.data.mixture import StepRows
from anygen.training.mixtures import draw_media
from decoders.base import (
    AutoencodingDecoder,
    RenderRequest,
    VocoderDecoder,
    never,
    no_progress,
)

EXAMPLES = 4  # true media per decoder
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


def true_media(run: Run) -> dict[MediaModality, list[Media]]:
    """A few true media of each decoder, the same at every step; the user's if there are any."""
    shown = {}
    for modality in dict.fromkeys(run.decoders):
        own = some_media(run, modality, EXAMPLES)
        rows = StepRows(own, world=EXAMPLES - len(own))
        shown[modality] = draw_media(modality, run, random.Random(0), rows)
    return shown


def pairs(modality: MediaModality, true: list[Media], decoded: list[Media]) -> dict[str, Media]:
    """True media and what became of them, by the names of their files."""
    names: dict[str, Media] = {}
    for index, (before, after) in enumerate(zip(true, decoded)):
        names |= {f"{modality}_{index}_true": before, f"{modality}_{index}_made": after}
    return names


@torch.no_grad()
def reconstructions(model: MultimodalModel, run: Run) -> dict[str, Media]:
    """True media, and their reconstruction by the autoencoder."""
    shown: dict[str, Media] = {}
    for modality, media in true_media(run).items():
        decoder = cast(AutoencodingDecoder, model.decoders[modality])
        shown |= pairs(modality, media, decoder.from_latents(decoder.to_latents(media)))
    return shown


@torch.no_grad()
def resynthesis(model: MultimodalModel, run: Run) -> dict[str, Media]:
    """True sounds, and the vocoder's sounds from their spectrograms."""
    shown: dict[str, Media] = {}
    for modality, media in true_media(run).items():
        decoder = cast(VocoderDecoder, model.decoders[modality])
        shown |= pairs(modality, media, decoder.resynthesize(media))
    return shown


@torch.no_grad()
def renderings(model: MultimodalModel, run: Run) -> dict[str, Media]:
    """What the decoders render from a few fixed captions, those of the user's data if there are."""
    shown: dict[str, Media] = {}
    for modality in dict.fromkeys(run.decoders):
        decoder = model.decoders[modality]
        fixed = SAMPLE_CAPTIONS[modality]
        captions = [own.caption for own in some_media(run, modality, len(fixed))] or fixed
        conditions = decoder.encode_prompt(captions)
        requests = [RenderRequest(condition, seed) for seed, condition in enumerate(conditions)]
        media = decoder.sample(requests, no_progress, never)
        shown |= {f"{modality}_{index}": medium for index, medium in enumerate(media)}
    return shown


def no_samples(model: MultimodalModel, run: Run) -> dict[str, Media]:
    """For stages whose results can be judged by their losses alone."""
    return {}

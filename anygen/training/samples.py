"""Samples that show what a run has learned, media and answers; they are written beside its log."""

import random
from collections.abc import Iterator, Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import cast

import torch

from anygen.anygen import AnyGen
from anygen.config.run import Run
from anygen.core.media import Media, Message, Part, media_of, modality_of
from anygen.core.modality import TABLE, MediaModality
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.io.media_files import write_media
from anygen.model.multimodal import MultimodalModel
from anygen.training.data.media import some_media
from anygen.training.data.mixture import StepRows
from anygen.training.dialogues import Dialogue
from anygen.training.mixtures import draw_media
from anygen.training.runs.held_out import MAX_TOKENS, WORLD, open_files, read_all, world_rows
from decoders.base import (
    AutoencodingDecoder,
    RenderRequest,
    VocoderDecoder,
    never,
    no_progress,
)

EXAMPLES = 4  # true media per decoder, and dialogues that are answered
DRAWN = 8  # dialogues to choose these from, if the run has no held-out files
MAX_ANSWER_MEDIA = 2
TEXT = ".txt"  # suffix of a sample that is a text

Samples = dict[str, Part]  # by the names of their files, without suffix
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


@torch.no_grad()
def answers(model: MultimodalModel, run: Run) -> Samples:
    """What the model answers to a few dialogues that the run does not learn from."""
    options = AnswerOptions(max_new_tokens=MAX_TOKENS, max_media=MAX_ANSWER_MEDIA)
    if not model.decoders:
        options = options.model_copy(update={"modalities": ("text",)})
    dialogues = list(islice(questions(model, run), EXAMPLES))
    requests = [Request(messages, seed, options) for seed, messages in enumerate(dialogues)]
    shown: Samples = {}
    for index, answer in enumerate(AnyGen(model).reply_many(requests)):
        for name, message in (("question", dialogues[index][-1]), ("answer", answer.message)):
            shown |= {f"{index}_{name}_{n}": part for n, part in enumerate(message.parts)}
    return shown


@torch.no_grad()
def requested_media(model: MultimodalModel, requests: Sequence[Request]) -> list[list[str]]:
    """The modalities of the media in the answer to each request, in their order."""
    return [
        [modality_of(medium) for medium in media_of([answer.message])]
        for answer in AnyGen(model).reply_many(requests)
    ]


def questions(model: MultimodalModel, run: Run) -> Iterator[Sequence[Message]]:
    """Dialogues up to their last answer: of the held-out rows, or else of the small world."""
    if run.held_out:
        sources = read_all(model, run, open_files(run.held_out, run.seed))
    else:
        sources = {WORLD: world_rows(model, run, DRAWN)}
    for row in filter(None, chain.from_iterable(zip_longest(*sources.values()))):
        last = max(n for n, message in enumerate(row.messages) if message.role == "assistant")
        if last and row.messages[last - 1].role == "user" and is_visible(row, last):
            yield row.messages[:last]


def is_visible(row: Dialogue, length: int) -> bool:
    """Whether all media of a dialogue of so many messages have pixels or samples."""
    media = len(media_of(row.messages[:length]))
    return not row.features and not any(index < media for index in row.unseen)


def write_samples(samples: Samples, folder: Path) -> list[Path]:
    """A file for each sample; returns their paths."""
    paths = []
    for name, part in samples.items():
        if isinstance(part, str):
            paths.append(folder / f"{name}{TEXT}")
            folder.mkdir(parents=True, exist_ok=True)
            paths[-1].write_text(part, encoding="utf-8")
        else:
            paths.append(write_media(part, folder / f"{name}{TABLE[modality_of(part)].suffix}"))
    return paths


def true_media(run: Run) -> dict[MediaModality, list[Media]]:
    """A few true media of each decoder, the same at every step; the user's if there are any."""
    shown = {}
    for modality in dict.fromkeys(run.decoders):
        own = some_media(run, modality, EXAMPLES)
        rows = StepRows(own, world=EXAMPLES - len(own))
        shown[modality] = draw_media(modality, run, random.Random(0), rows)
    return shown


def pairs(modality: MediaModality, true: list[Media], decoded: list[Media]) -> Samples:
    """True media and what became of them, by the names of their files."""
    names: Samples = {}
    for index, (before, after) in enumerate(zip(true, decoded)):
        names |= {f"{modality}_{index}_true": before, f"{modality}_{index}_made": after}
    return names


@torch.no_grad()
def reconstructions(model: MultimodalModel, run: Run) -> Samples:
    """True media, and their reconstruction by the autoencoder."""
    shown: Samples = {}
    for modality, media in true_media(run).items():
        decoder = cast(AutoencodingDecoder, model.decoders[modality])
        shown |= pairs(modality, media, decoder.from_latents(decoder.to_latents(media)))
    return shown


@torch.no_grad()
def resynthesis(model: MultimodalModel, run: Run) -> Samples:
    """True sounds, and the vocoder's sounds from their spectrograms."""
    shown: Samples = {}
    for modality, media in true_media(run).items():
        decoder = cast(VocoderDecoder, model.decoders[modality])
        shown |= pairs(modality, media, decoder.resynthesize(media))
    return shown


@torch.no_grad()
def renderings(model: MultimodalModel, run: Run) -> Samples:
    """What the decoders render from a few fixed captions, those of the user's data if there are."""
    shown: Samples = {}
    for modality in dict.fromkeys(run.decoders):
        decoder = model.decoders[modality]
        fixed = SAMPLE_CAPTIONS[modality]
        captions = [own.caption for own in some_media(run, modality, len(fixed))] or fixed
        conditions = decoder.encode_prompt(captions)
        requests = [RenderRequest(condition, seed) for seed, condition in enumerate(conditions)]
        media = decoder.sample(requests, no_progress, never)
        shown |= {f"{modality}_{index}": medium for index, medium in enumerate(media)}
    return shown


def no_samples(model: MultimodalModel, run: Run) -> Samples:
    """For stages whose results can be judged by their losses alone."""
    return {}

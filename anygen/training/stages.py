"""The table of training stages: what each builds, what learns, from which batch, by which loss."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from anygen.config.run import Run
from anygen.core.media import Media
from anygen.core.modality import MEDIA
from anygen.model.multimodal import PARTS
from anygen.training import mixtures, samples
from anygen.training.collate import IGNORED, Batch, assemble
from anygen.training.dialogues import Dialogue
from anygen.training.fact_probe import LinearProbe
from anygen.training.losses import (
    condition_losses,
    distillation_loss,
    generation_losses,
    hidden_states,
    text_loss,
    word_alignment_loss,
)
from anygen.training.precomputed import FeaturePool, LatentPool, NegativeBank, SpanPool
from decoders.parts.latent_diffusion import unconditional
from mosit_data.world.scene import caption

LIKENESS_WEIGHT = 16.0  # plain answers are few, and what they lose shows first
EMPTY_CAPTIONS = 0.1  # share of rows that teach the unconditional branch (Ho and Salimans 2022)


@dataclass(frozen=True)
class Step:
    """Everything random about one training step: a function of (seed, step, process) alone."""

    index: int
    rng: random.Random
    generators: list[torch.Generator]  # one per row


Losses = dict[str, Tensor]  # every term (B,) or ()
Samples = dict[str, Media]


@dataclass(frozen=True)
class Stage:
    needs: tuple[str, ...]  # the parts of the system that are built
    learns: tuple[str, ...]  # prefixes of parameter names; {decoder} stands for each of the run's
    losses: Callable[[nn.Module, Run, Step], Losses]
    samples: Callable[[nn.Module, Run], Samples]
    aids: Callable[[nn.Module, Run], nn.Module] | None = None  # `model.aids`, of this stage alone


def decoder_of(model: nn.Module, run: Run, step: int) -> tuple[Any, Any]:
    """Decoders take turns: the one of this step, and its modality."""
    modality = run.decoders[step % len(run.decoders)]
    return modality, model.decoders[modality]


def vae_losses(model: nn.Module, run: Run, step: Step) -> Losses:
    modality, decoder = decoder_of(model, run, step.index)
    media = mixtures.draw_media(modality, run, step.rng)
    return {"autoencoding": decoder.autoencoding_loss(media, step.generators[0])}


def vocoder_losses(model: nn.Module, run: Run, step: Step) -> Losses:
    modality, decoder = decoder_of(model, run, step.index)
    media = mixtures.draw_media(modality, run, step.rng)
    return {"spectrum": decoder.vocoder_loss(media)}


def caption_losses(model: nn.Module, run: Run, step: Step) -> Losses:
    """A text encoder that tells things apart is worth having before the denoiser listens to it."""
    modality, decoder = decoder_of(model, run, step.index)
    scenes = mixtures.draw_scenes(modality, run, run.batch_size, step.rng)
    condition = decoder.encode_prompt([caption(scene) for scene in scenes])
    aids: Any = model.aids
    return {modality: aids.loss(modality, condition, scenes)}


def denoise_losses(model: nn.Module, run: Run, step: Step) -> Losses:
    modality, decoder = decoder_of(model, run, step.index)
    rows = run.rows.get(modality, run.batch_size)
    aids: Any = model.aids
    latents, conditions = aids.draw(modality, rows, step.rng)
    told = [step.rng.random() >= EMPTY_CAPTIONS for _ in range(rows)]
    told_B11 = torch.tensor(told, device=conditions.device)[:, None, None]
    conditions = conditions.where(told_B11, unconditional(decoder))
    return {modality: decoder.latent_loss(latents, conditions, step.generators[:rows])}


def joint_losses(model: nn.Module, run: Run, step: Step) -> Losses:
    """Media lie near their captions in the joint space, and, projected, near the LLM's words.

    Both losses share the features, and the LLM itself does not run: this is five times cheaper
    than letting `encode` find the words. Imagined photographs teach the names of ImageNet.
    """
    modality = MEDIA[step.index % len(MEDIA)]
    aids: Any = model.aids
    observed, captions = aids.draw(modality, run.rows.get(modality, run.batch_size), step.rng)
    features_BKW = model.encoder.read(modality, observed)
    embedded = model.encoder.embed_features(modality, features_BKW)
    imagined, names = mixtures.imagined_photographs(
        model, len(captions), step.rng, step.generators[0]
    )
    words = [mixtures.content_words(model.llm.tokenizer, text) for text in [*captions, *names]]
    told_BKW = model.encoder.told(modality, features_BKW)
    rows = [(modality, row) for row in told_BKW] + [("image", row) for row in imagined]
    projected = [model.input_projector.project(*row) for row in rows]
    table = model.llm.base.get_input_embeddings().weight
    return {
        f"{modality}_contrast": model.encoder.match_loss(embedded, captions),
        f"{modality}_words": word_alignment_loss(projected, words, table),
    }


def encode_losses(model: nn.Module, run: Run, step: Step) -> Losses:
    """Media and prototypes of ImageNet classes, answered by what they are."""
    dialogues = mixtures.encode_dialogues(model, run, step.rng, step.generators[0])
    batch = assemble(model, dialogues)
    return {"text": text_loss(model.llm, hidden_of(model, batch), batch.labels)}


def decode_losses(model: nn.Module, run: Run, step: Step) -> Losses:
    dialogues = mixtures.decode_dialogues(list(model.decoders), run, step.rng)
    return dialogue_losses(model, run, step, dialogues)


def instruct_losses(model: nn.Module, run: Run, step: Step) -> Losses:
    dialogues = mixtures.instruct_dialogues(model, run, step.rng, step.generators[0])
    return dialogue_losses(model, run, step, dialogues)


def dialogue_losses(model: nn.Module, run: Run, step: Step, dialogues: list[Dialogue]) -> Losses:
    batch = assemble(model, dialogues)
    hidden = hidden_of(model, batch)
    losses = {}
    if batch.plain.any():
        losses["likeness"] = LIKENESS_WEIGHT * distillation_loss(model.llm, hidden, batch)
    if not batch.plain.all():  # of plain answers the base model's doubts are learned, not its words
        labels = batch.labels.masked_fill(batch.plain[:, None], IGNORED)
        losses["text"] = text_loss(model.llm, hidden, labels)
    return losses | generation_losses(model, hidden, batch, step.generators, run.denoised)


def hidden_of(model: nn.Module, batch: Batch) -> Tensor:
    return hidden_states(
        model.llm, batch.embeds, batch.lengths, batch.shared, batch.branches, batch.media
    )


def project_losses(model: nn.Module, run: Run, step: Step) -> Losses:
    """The projectors alone: a hundred times as many spans a second as with the LLM at work."""
    modality, decoder = decoder_of(model, run, step.index)
    aids: Any = model.aids
    rows = run.rows.get(modality, run.batch_size)
    hidden_BSD, wanted = aids.draw(modality, rows, step.rng)
    conditions = model.condition_of(modality, hidden_BSD)
    return condition_losses(modality, decoder.condition_spec, conditions, wanted, aids.of(modality))


STAGES: dict[str, Stage] = {
    "vae": Stage(("decoders",), ("decoders.{decoder}.vae.",), vae_losses, samples.reconstructions),
    "vocoder": Stage(
        ("decoders",), ("decoders.{decoder}.vocoder.",), vocoder_losses, samples.resynthesis
    ),
    "caption": Stage(
        ("decoders",),
        ("decoders.{decoder}.text_encoder.", "aids."),
        caption_losses,
        samples.no_samples,
        LinearProbe,
    ),
    "denoise": Stage(
        ("decoders",),
        (
            "decoders.{decoder}.unet.",
            "decoders.{decoder}.summary.",
            "decoders.{decoder}.layout.",
        ),
        denoise_losses,
        samples.renderings,
        LatentPool,
    ),
    "joint": Stage(
        ("encoder", "llm", "input_projector"),
        ("encoder.", "input_projector."),
        joint_losses,
        samples.no_samples,
        FeaturePool,
    ),
    "encode": Stage(
        ("encoder", "llm", "input_projector"),
        ("input_projector.", "llm.signal_rows"),
        encode_losses,
        samples.no_samples,
    ),
    "decode": Stage(
        PARTS,
        ("output_projectors.", "llm.signal_rows", "llm.trigger_"),
        decode_losses,
        samples.no_samples,
        NegativeBank,
    ),
    "instruct": Stage(
        PARTS,
        ("input_projector.", "output_projectors.", "llm."),
        instruct_losses,
        samples.no_samples,
        NegativeBank,
    ),
    "project": Stage(
        PARTS,
        ("output_projectors.{decoder}.",),
        project_losses,
        samples.no_samples,
        SpanPool,
    ),
}


def learned_prefixes(run: Run) -> list[str]:
    """What learns in a run, as prefixes of parameter names."""
    prefixes = []
    for prefix in STAGES[run.stage].learns:
        names = run.decoders if "{decoder}" in prefix else [""]
        prefixes += [prefix.format(decoder=name) for name in names]
    return prefixes

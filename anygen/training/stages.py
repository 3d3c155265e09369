"""The table of training stages: what each builds, and by which loss of which batch it trains.

B rows, S signal tokens, K features, W their width, D width of the LLM.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anygen.config.run import Run
from anygen.config.stages import FREEZABLE, LEARNED
from anygen.core.modality import MediaModality
from anygen.model.multimodal import PARTS, MultimodalModel
from anygen.training import mixtures, samples
from anygen.training.critic import Critic
from anygen.training.linear_probe import LinearProbe
from anygen.training.losses import (
    EMPTY_CAPTIONS,
    condition_losses,
    with_weights,
    word_alignment_loss,
)
from anygen.training.precomputed import (
    DomainPool,
    FeaturePool,
    LatentPool,
    NegativeBank,
    RoutePool,
    SpanPool,
)
from anygen.training.representation.represent import represent_losses
from anygen.training.representation.text_side import TextSide
from anygen.training.runs.dialogue_losses import dialogue_losses, text_losses
from anygen.training.runs.step import Step
from decoders.base import (
    AutoencodingDecoder,
    Decoder,
    PixelDecoder,
    TrainableDecoder,
    VocoderDecoder,
    unconditional,
)
from encoders.base import JointEncoder
from mosit_data.world.scene import caption

LATENT_NOISE = 0.2  # of the latents' standard deviation: a denoiser's are not perfect
ADVERSE_FROM = 0.5  # share of the steps of stage `vae_decoder` that are without a discriminator
UNREAD = 0.5  # share of a prompt's state that the router does not see in a step (dropout)
MISSED = 0.015  # share of familiar media that may be called unfamiliar


Losses = dict[str, Tensor]  # every term (B,) or (); the names stand in the run's log
Auxiliaries = TypeVar("Auxiliaries")  # an nn.Module, or None


@dataclass(frozen=True)
class Stage(Generic[Auxiliaries]):
    needs: tuple[str, ...]  # the parts of the system that are built
    losses: Callable[[MultimodalModel, Auxiliaries, Run, Step], Losses]
    samples: Callable[[MultimodalModel, Run], samples.Samples]
    auxiliaries: Callable[[MultimodalModel, Run], Auxiliaries]  # a further input of `losses`
    decoder: type[Any] = Decoder  # the contract of decoders that it trains, or trains through
    llm_answers: bool = False  # the LLM computes what is learned from, and nothing before it learns


class StageLoss(nn.Module):
    """The sum of a stage's losses as a module, so that DDP can wrap its forward pass."""

    def __init__(
        self, model: MultimodalModel, auxiliaries: nn.Module | None, run: Run, stage: Stage[Any]
    ) -> None:
        super().__init__()
        self.model, self.auxiliaries, self.run, self.stage = model, auxiliaries, run, stage

    def forward(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        terms = self.stage.losses(self.model, self.auxiliaries, self.run, step)
        losses = {name: term.mean() for name, term in terms.items()}
        return torch.stack(list(losses.values())).sum(), losses


def no_auxiliaries(model: MultimodalModel, run: Run) -> None:
    """For stages whose losses need the model alone."""


def learning_modality(run: Run, step: Step) -> MediaModality:
    """The one that learns in this step."""
    modality, _ = run.turn(step.index)
    return modality


def vae_losses(model: MultimodalModel, _: None, run: Run, step: Step) -> Losses:
    modality = learning_modality(run, step)
    decoder = cast(AutoencodingDecoder, model.decoders[modality])
    media = mixtures.draw_media(modality, run, step.rng, step.media)
    return {"autoencoding": decoder.autoencoding_loss(media, step.generators[0])}


def vae_decoder_losses(model: MultimodalModel, critic: Critic, run: Run, step: Step) -> Losses:
    """Crisp pictures from latents that stay as they are, and from those of an imperfect denoiser.

    The discriminator joins late: at first it would always be right.
    """
    modality = learning_modality(run, step)
    decoder = cast(PixelDecoder, model.decoders[modality])
    media = mixtures.draw_media(modality, run, step.rng, step.media)
    drawn, true = decoder.redraw(media, LATENT_NOISE, step.generators[0])
    adverse = step.index >= ADVERSE_FROM * run.steps
    pixels = (drawn - true).abs().flatten(1).mean(1)
    return {"pixels": pixels, **critic.losses(drawn, true, adverse=adverse)}


def make_critic(model: MultimodalModel, run: Run) -> Critic:
    """Of the encoder's vision trunk. Raises ValueError if it has none."""
    vision = getattr(model.encoder, "vision", None)
    if vision is None:
        raise ValueError(
            f"encoder: stage vae_decoder compares pictures by the vision trunk of bind, which "
            f"{model.system.encoder.name} lacks"
        )
    return Critic(vision.trunk)


def vocoder_losses(model: MultimodalModel, _: None, run: Run, step: Step) -> Losses:
    modality = learning_modality(run, step)
    decoder = cast(VocoderDecoder, model.decoders[modality])
    media = mixtures.draw_media(modality, run, step.rng, step.media)
    return {"spectrum": decoder.vocoder_loss(media)}


def caption_losses(model: MultimodalModel, probe: LinearProbe, run: Run, step: Step) -> Losses:
    """The text encoder learns to distinguish captions before the denoiser depends on it."""
    modality = learning_modality(run, step)
    decoder = model.decoders[modality]
    scenes = mixtures.draw_scenes(modality, run, run.batch_size, step.rng)
    condition = decoder.encode_prompt([caption(scene) for scene in scenes])
    return {modality: probe.loss(modality, condition, scenes)}


def denoise_losses(model: MultimodalModel, pool: LatentPool, run: Run, step: Step) -> Losses:
    modality = learning_modality(run, step)
    decoder = cast(TrainableDecoder, model.decoders[modality])
    latents, conditions = pool.draw(modality, step)
    rows = len(latents)
    conditional = [step.rng.random() >= EMPTY_CAPTIONS for _ in range(rows)]
    conditional_B11 = torch.tensor(conditional, device=conditions.device)[:, None, None]
    conditions = conditions.where(conditional_B11, unconditional(decoder))
    return {modality: decoder.latent_loss(latents, conditions, step.generators[:rows])}


def joint_losses(model: MultimodalModel, pool: FeaturePool, run: Run, step: Step) -> Losses:
    """Media near their captions in the joint space and, projected, near the words of the LLM.

    Both losses share the features, and the LLM itself does not run: this is five times cheaper
    than finding the words in stage `encode`. Imagined photographs teach the names of ImageNet.
    """
    modality = learning_modality(run, step)
    observed, captions = pool.draw(modality, step)
    encoder = cast(JointEncoder, model.encoder)
    features_BKW = encoder.read(modality, observed)
    embedded = encoder.embed_features(modality, features_BKW)
    imagined, names = mixtures.imagined_photographs(
        model, len(captions), step.rng, step.generators[0]
    )
    words = [mixtures.content_words(model.llm.tokenizer, text) for text in [*captions, *names]]
    rows_BKW = encoder.complete(modality, observed, features_BKW)
    rows = [(modality, row) for row in rows_BKW] + [("image", row) for row in imagined]
    projected = [model.input_projector.project(*row) for row in rows]
    table = model.llm.base.get_input_embeddings().weight
    return {
        f"{modality}_contrast": encoder.match_loss(embedded, captions),
        f"{modality}_words": word_alignment_loss(projected, words, table),
    }


def calibrate_losses(model: MultimodalModel, pool: DomainPool, run: Run, step: Step) -> Losses:
    """What is familiar, learned by half of the pool; the other half sets the threshold."""
    modality = learning_modality(run, step)
    familiarity = cast(JointEncoder, model.encoder).familiarity[modality]
    learning, other, unseen = pool.draw(modality, run.batch_size, step.rng)
    return {
        f"{modality}_familiar": familiarity.loss(learning, other),
        f"{modality}_threshold": familiarity.threshold_loss(unseen, MISSED),
    }


def project_losses(model: MultimodalModel, pool: SpanPool, run: Run, step: Step) -> Losses:
    """The output projectors alone: a hundred times as many spans a second as with the LLM."""
    modality = learning_modality(run, step)
    decoder = model.decoders[modality]
    rows = run.rows.get(modality, run.batch_size)
    hidden_BSD, target = pool.draw(modality, rows, step.rng)
    conditions = model.condition_of(modality, hidden_BSD)
    others = pool.negatives(modality)
    losses = condition_losses(modality, decoder.condition_spec, conditions, target, others)
    return with_weights(losses, run.loss_weights)


def route_losses(model: MultimodalModel, pool: RoutePool, run: Run, step: Step) -> Losses:
    """The router alone: who answers a prompt."""
    assert model.llm.router is not None
    states_BD, expert_B = pool.draw(run.batch_size, step.rng)
    random_BD = torch.rand(states_BD.shape, generator=step.generators[0])
    kept_BD = (random_BD >= UNREAD).to(states_BD) / (1 - UNREAD)
    scores_B = model.llm.router(states_BD, kept_BD)
    loss = F.binary_cross_entropy_with_logits(scores_B, expert_B)
    return {"route": loss}


STAGES: dict[str, Stage[Any]] = {
    "vae": Stage(
        ("decoders",),
        vae_losses,
        samples.reconstructions,
        no_auxiliaries,
        AutoencodingDecoder,
    ),
    "vae_decoder": Stage(
        ("encoder", "decoders"),
        vae_decoder_losses,
        samples.reconstructions,
        make_critic,
        PixelDecoder,
    ),
    "vocoder": Stage(
        ("decoders",),
        vocoder_losses,
        samples.resynthesis,
        no_auxiliaries,
        VocoderDecoder,
    ),
    "caption": Stage(
        ("decoders",),
        caption_losses,
        samples.no_samples,
        LinearProbe,
    ),
    "denoise": Stage(
        ("decoders",),
        denoise_losses,
        samples.renderings,
        LatentPool,
        TrainableDecoder,
    ),
    "joint": Stage(
        ("encoder", "llm", "input_projector"),
        joint_losses,
        samples.no_samples,
        FeaturePool,
    ),
    "calibrate": Stage(
        ("encoder",),
        calibrate_losses,
        samples.no_samples,
        DomainPool,
    ),
    "represent": Stage(
        ("encoder", "input_projector"),
        represent_losses,
        samples.no_samples,
        TextSide,
    ),
    "encode": Stage(
        ("encoder", "llm", "input_projector"),
        text_losses,
        samples.answers,
        no_auxiliaries,
    ),
    "decode": Stage(
        PARTS,
        dialogue_losses,
        samples.answers,
        NegativeBank,
        TrainableDecoder,
    ),
    "instruct": Stage(
        PARTS,
        dialogue_losses,
        samples.answers,
        NegativeBank,
        TrainableDecoder,
    ),
    "route": Stage(
        ("encoder", "llm", "input_projector"),
        route_losses,
        samples.no_samples,
        RoutePool,
        llm_answers=True,
    ),
    "project": Stage(
        PARTS,
        project_losses,
        samples.no_samples,
        SpanPool,
        llm_answers=True,
    ),
}


def check_decoders(model: MultimodalModel, run: Run) -> None:
    """Raises ValueError for a decoder that the system lacks, or that the run cannot train.

    The stages of dialogues train through decoders only with `denoised`.
    """
    stage = STAGES[run.stage]
    named = any("{decoder}" in prefix for prefix in LEARNED[run.stage])
    for modality in run.decoders if named else model.decoders if run.denoised else ():
        if modality not in model.decoders:
            known = ", ".join(model.decoders)
            raise ValueError(f"decoders: this system has no decoder of {modality}, only of {known}")
        if not isinstance(model.decoders[modality], stage.decoder):
            raise ValueError(
                f"decoders.{modality}: {model.system.decoders[modality].name} lacks methods that "
                f"stage {run.stage} needs, those of {stage.decoder.__name__} in decoders/base.py"
            )


def learned_prefixes(run: Run) -> list[str]:
    """What a run trains of the model, as prefixes of parameter names.

    Raises ValueError if it is to freeze all that its stage learns.
    """
    prefixes = []
    for prefix in LEARNED[run.stage]:
        names = run.decoders if "{decoder}" in prefix else [""]
        prefixes += [prefix.format(decoder=name) for name in names]
    frozen = {prefix for part in run.freeze for prefix in FREEZABLE[part]}
    if frozen >= {*prefixes}:
        raise ValueError(f"freeze: names all that stage {run.stage} learns; leave one of them out")
    return [prefix for prefix in prefixes if prefix not in frozen]

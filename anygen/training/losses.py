"""The losses of the LLM stages: next token, distance to the caption's condition, denoising.

B rows, T positions, S signal tokens, K features, D width of the LLM, N spans of one modality,
M captions of a bank, V size of the vocabulary, W width of a condition.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from anygen.config.losses import LossWeights
from anygen.config.run import Run
from anygen.core.modality import MEDIA, MediaModality
from anygen.llm.language_model import LanguageModel
from anygen.llm.signal_tokens import Signals
from anygen.model.multimodal import MultimodalModel
from anygen.training.collate import IGNORED, Batch, Target, group_spans
from decoders.base import ConditionSpec, TrainableDecoder, pooled_condition

TEMPERATURE = 0.07  # where CLIP starts
SAME = 0.99  # cosine of pooled conditions above which two captions mean the same
EMPTY_CAPTIONS = 0.1  # share of rows that train the unconditional branch (Ho and Salimans 2022)
PASSES = 4  # groups of rows of similar length


def hidden_states(
    llm: LanguageModel,
    embeds_BTD: Tensor,
    lengths: Tensor,
    shared: int = 0,
    branches: Tensor | None = None,
    media: Tensor | None = None,
) -> Tensor:
    """Hidden states (B, T, D). Rows of similar length share a pass, so that little is padding.

    Padding comes last and attention is causal: no row attends to it, so no mask is needed. The
    first `shared` positions, the same in every row, are computed once. `branches` (B, T) numbers
    the span of each position if spans are hidden from what follows them; `media` (B, T) marks the
    features of media.

    Layers that are computed again in the backward pass would write into a cache twice, so with
    gradient checkpointing every row reads its beginning itself.
    """
    recomputed = llm.checkpointing and torch.is_grad_enabled()
    if recomputed:
        shared = 0
    hidden, prefix = torch.zeros_like(embeds_BTD), llm.new_cache()
    if shared:
        hidden[:, :shared] = llm.hidden(embeds_BTD[:1, :shared], prefix).to(hidden.dtype)
    for rows in lengths.argsort().chunk(PASSES):
        longest = int(lengths[rows].max())
        cache = None if recomputed else llm.new_cache(prefix, len(rows))
        row_branches = None if branches is None else branches[rows, :longest]
        row_media = None if media is None else media[rows, shared:longest]
        states = llm.hidden(embeds_BTD[rows, shared:longest], cache, row_branches, row_media)
        hidden[rows, shared:longest] = states.to(hidden.dtype)
    return hidden


def text_loss(llm: LanguageModel, hidden_BTD: Tensor, labels_BT: Tensor) -> Tensor:
    """Cross-entropy of the assistant's tokens, (): text, end of turn and triggers."""
    next_labels = labels_BT[:, 1:]
    learned = next_labels != IGNORED
    logits = llm.logits(hidden_BTD[:, :-1][learned])
    return F.cross_entropy(logits.float(), next_labels[learned])


def distillation_loss(llm: LanguageModel, hidden_BTD: Tensor, batch: Batch) -> Tensor:
    """Kullback-Leibler divergence from the untouched base model, per token of plain answers, ().

    Each token teaches the whole distribution rather than one word of it (Hinton et al. 2015,
    "Distilling the Knowledge in a Neural Network"), so that few rows preserve the model's style.
    """
    rows = batch.plain.nonzero()[:, 0]
    learned = batch.labels[rows, 1:] != IGNORED
    student = llm.logits(hidden_BTD[rows, :-1][learned]).float().log_softmax(-1)
    with llm.as_published():
        base_hidden = hidden_states(llm, batch.embeds[rows], batch.lengths[rows], batch.shared)
        base_logits = llm.text_logits(base_hidden[:, :-1][learned])
    teacher = base_logits.float().log_softmax(-1)
    return F.kl_div(student[:, : teacher.shape[1]], teacher, reduction="batchmean", log_target=True)


def word_alignment_loss(
    projected_BKD: Sequence[Tensor], words: Sequence[list[int]], table: Tensor
) -> Tensor:
    """How far the projected features of media are from the LLM's embeddings of their words, ().

    Each word of a caption should be near one of the medium's K features and far from the features
    of media without it: InfoNCE (van den Oord et al. 2018) over the words of the batch. The second
    term gives the features the length of embeddings. `table` (V, D) is the embedding table.
    """
    center, vocabulary = table.mean(0), sorted({word for row in words for word in row})
    embeddings = table[vocabulary] - center
    scores, lengths = [], []
    for features_KD in projected_BKD:
        centered = features_KD.float() - center
        cosines = F.normalize(centered, dim=-1) @ F.normalize(embeddings, dim=-1).T
        scores.append(cosines.max(0).values / TEMPERATURE)
        lengths.append(centered.norm(dim=-1).mean())
    present = torch.tensor([[word in row for word in vocabulary] for row in words])
    likelihood = torch.stack(scores).log_softmax(1)[present].mean()
    ratio = torch.stack(lengths) / embeddings.norm(dim=-1).mean()
    return (ratio - 1).square().mean() - likelihood


def generation_losses(
    model: MultimodalModel,
    hidden_BTD: Tensor,
    batch: Batch,
    negatives: Callable[[MediaModality], Tensor],
    generators: Sequence[torch.Generator],
    run: Run,
) -> dict[str, Tensor]:
    """The losses of every modality in the batch, with the run's weights.

    At most `run.denoised` spans of each have the denoising loss.

    `negatives` gives the pooled conditions (M, W) of other captions of a modality.
    """
    losses: dict[str, Tensor] = {}
    weights = run.loss_weights
    by_modality: dict[MediaModality, list[Target]] = {}
    for target in batch.targets:
        by_modality.setdefault(target.modality, []).append(target)
    groups = group_spans(batch.targets) if batch.spans is None else batch.spans
    for modality, targets in by_modality.items():
        decoder, group = model.decoders[modality], groups[modality]
        hidden_NSD = span_hidden(model.llm.signals, hidden_BTD, targets)
        conditions = model.condition_of(modality, hidden_NSD)
        if weights.align or weights.contrast:
            with torch.no_grad():
                encoded = decoder.encode_prompt([*group.captions, *group.hard_negatives]).float()
            spec, whole = decoder.condition_spec, encoded[: len(group.captions)]
            others = pooled_condition(spec.split(encoded[len(group.captions) :])[0])
            others = torch.cat([negatives(modality), others]) if weights.contrast else others[:0]
            own = whole[torch.tensor(group.numbers, device=whole.device)]
            losses |= condition_losses(modality, spec, conditions, own, others, whole)
        chosen = [n for n in group.visible[: run.denoised] if n in group.numbers]
        if chosen and weights.denoise:
            trainable, places = cast(TrainableDecoder, decoder), [*map(group.numbers.index, chosen)]
            media = [targets[place].media for place in places]
            rows = [noise_of(generators[group.visible.index(n)], modality) for n in chosen]
            conditions = conditions[places]
            if model.llm.signals.settings.guidance == "span":
                conditions = drop_conditions(model, modality, conditions, rows)
            losses[f"{modality}_denoise"] = trainable.loss(media, conditions, rows)
    return with_weights(losses, weights)


def with_weights(losses: Mapping[str, Tensor], weights: LossWeights) -> dict[str, Tensor]:
    """Terms of media, each times its weight; those with the weight 0 are left out."""
    kinds = {"align": weights.align, "gist": weights.align}
    kinds |= {"contrast": weights.contrast, "denoise": weights.denoise}
    factors = {name: kinds[name.rpartition("_")[2]] for name in losses}
    return {name: factors[name] * loss for name, loss in losses.items() if factors[name]}


def noise_of(generator: torch.Generator, modality: MediaModality) -> torch.Generator:
    """A generator of its own for each modality, so that none depends on what others have drawn."""
    seed = generator.initial_seed() + 1 + MEDIA.index(modality)
    return torch.Generator().manual_seed(seed)


def drop_conditions(
    model: MultimodalModel,
    modality: MediaModality,
    conditions: Tensor,
    generators: Sequence[torch.Generator],
) -> Tensor:
    """Conditions of N spans, some of them replaced by that of a span behind an empty prompt.

    It learns what guidance leads away from (DreamLLM's `drop_prob`).
    """
    drawn = torch.cat([torch.rand(1, generator=generator) for generator in generators])
    dropped = (drawn < EMPTY_CAPTIONS).to(conditions.device)
    if not dropped.any():
        return conditions
    embeds_1TD = model.embed_ids(model.negative_ids(modality))[None]
    length = model.llm.signals.length(modality)
    hidden_1SD = model.llm.signals.conditions(model.llm.hidden(embeds_1TD)[:, -length:])
    negative = model.condition_of(modality, hidden_1SD)
    return torch.where(dropped.view(-1, *[1] * (conditions.ndim - 1)), negative, conditions)


def span_hidden(signals: Signals, hidden_BTD: Tensor, targets: Sequence[Target]) -> Tensor:
    """The hidden states (N, S, D) that condition the decoder, of the spans of one modality."""
    length = signals.length(targets[0].modality)
    spans = [hidden_BTD[t.row, t.start : t.start + length] for t in targets]
    return signals.conditions(torch.stack(spans))


def condition_losses(
    modality: MediaModality,
    spec: ConditionSpec,
    conditions: Tensor,
    target: Tensor,
    others: Tensor,
    whole: Tensor | None = None,
) -> dict[str, Tensor]:
    """The distance of N conditions to those of their captions, and their contrast with any others.

    `others` (M, W) are pooled conditions of other captions; `whole` has the targets of the whole
    step, if these are a part of it.
    """
    tokens, target_tokens = spec.split(conditions)[0], spec.split(target)[0]
    losses = {
        f"{modality}_align": alignment_loss(conditions, target, whole),
        f"{modality}_gist": pooled_loss(tokens, target_tokens),
    }
    if len(others):
        losses[f"{modality}_contrast"] = contrast_loss(tokens, target_tokens, others)
    return losses


def alignment_loss(conditions: Tensor, target: Tensor, whole: Tensor | None = None) -> Tensor:
    """Mean squared distance of conditions (N, ...), in units of the variance of all targets, ().

    NExT-GPT sums unscaled distances, so that pictures outweigh sounds thirtyfold; in units of
    the variance the term starts at about 1 in every modality.
    """
    variance = (target if whole is None else whole).var()
    return (conditions.float() - target).square().mean() / variance


def pooled_loss(conditions: Tensor, target: Tensor) -> Tensor:
    """Mean squared distance of the pooled conditions, which have unit variance, ().

    One of many tokens summarises the caption, so it counts as much as all others together.
    """
    return (pooled_condition(conditions.float()) - pooled_condition(target)).square().mean()


def contrast_loss(conditions: Tensor, target: Tensor, others: Tensor) -> Tensor:
    """InfoNCE of pooled conditions: nearer to the target's than to `others` (M, W), ().

    The mean distance is small already if everything is right but the name of the object.
    """
    center = others.mean(0)
    predicted, positive, negative = (
        F.normalize(pooled.float() - center, dim=-1)
        for pooled in (pooled_condition(conditions), pooled_condition(target), others)
    )
    right = (predicted * positive).sum(-1, keepdim=True)
    same = positive @ negative.T > SAME
    wrong = (predicted @ negative.T).masked_fill(same, -1)
    logits = torch.cat([right, wrong], dim=1) / TEMPERATURE
    labels = torch.zeros(len(logits), dtype=torch.long, device=predicted.device)
    return F.cross_entropy(logits, labels)

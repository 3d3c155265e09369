"""The losses of the LLM stages: next token, distance to the caption's condition, denoising.

B rows, T positions, S signal tokens, D width of the LLM, N spans of one modality.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from anygen.core.modality import MediaModality
from anygen.llm.signal_tokens import Signals
from anygen.training.collate import IGNORED, Batch, Target
from decoders.base import ConditionSpec, pooled_condition

TEMPERATURE = 0.07  # where CLIP starts
SAME = 0.99  # cosine of the gists of captions that say the same in other words
CONTRAST_SHARE = 0.2  # more of it, and the text is forgotten: LoRA hears both losses
PASSES = 4  # groups of rows of similar length


def hidden_states(
    llm: Any,
    embeds_BTD: Tensor,
    lengths: Tensor,
    shared: int = 0,
    branches: Tensor | None = None,
    media: Tensor | None = None,
) -> Tensor:
    """Hidden states (B, T, D). Rows of similar length share a pass, so that little is padding.

    Padding comes last and attention is causal: no row sees it, so no mask is needed. The first
    `shared` positions, the same in every row, are read once. `branches` (B, T) tells which span
    each position belongs to, where spans are hidden from what follows them; `media` (B, T) where
    media stand.
    """
    hidden, beginning = torch.zeros_like(embeds_BTD), llm.new_cache()
    if shared:
        hidden[:, :shared] = llm.hidden(embeds_BTD[:1, :shared], beginning).to(hidden.dtype)
    for rows in lengths.argsort().chunk(PASSES):
        longest = int(lengths[rows].max())
        cache = llm.new_cache(beginning, len(rows))
        sides = None if branches is None else branches[rows, :longest]
        seen = None if media is None else media[rows, shared:longest]
        read = llm.hidden(embeds_BTD[rows, shared:longest], cache, sides, seen)
        hidden[rows, shared:longest] = read.to(hidden.dtype)
    return hidden


def text_loss(llm: Any, hidden_BTD: Tensor, labels_BT: Tensor) -> Tensor:
    """Cross-entropy of what the assistant says: text, end of turn and triggers."""
    following = labels_BT[:, 1:]
    said = following != IGNORED
    logits = llm.logits(hidden_BTD[:, :-1][said])
    return F.cross_entropy(logits.float(), following[said])


def distillation_loss(llm: Any, hidden_BTD: Tensor, batch: Batch) -> Tensor:
    """Kullback-Leibler divergence per token of plain answers from the untouched base model's, ().

    A token then teaches the whole distribution and not one word of it (Hinton et al. 2015,
    "Distilling the Knowledge in a Neural Network"), so that few rows keep the model's voice.
    """
    rows = batch.plain.nonzero()[:, 0]
    said = batch.labels[rows, 1:] != IGNORED
    ours = llm.logits(hidden_BTD[rows, :-1][said]).float().log_softmax(-1)
    with llm.as_published():
        theirs = hidden_states(llm, batch.embeds[rows], batch.lengths[rows], batch.shared)
        published = llm.text_logits(theirs[:, :-1][said])
    wanted = published.float().log_softmax(-1)
    return F.kl_div(ours[:, : wanted.shape[1]], wanted, reduction="batchmean", log_target=True)


def word_alignment_loss(
    projected_BKD: Sequence[Tensor], words: Sequence[list[int]], table: Tensor
) -> Tensor:
    """How far the projected features of media are from the LLM's embeddings of their words, ().

    Each word of a caption should be near one of the medium's K tokens and far from the tokens of
    media without it: InfoNCE (van den Oord et al. 2018) over the words of the batch. The second
    term gives the tokens the length of embeddings. `table` (V, D) is the embedding table.
    """
    center, vocabulary = table.mean(0), sorted({word for row in words for word in row})
    embeddings = table[vocabulary] - center
    scores, lengths = [], []
    for tokens_KD in projected_BKD:
        centered = tokens_KD.float() - center
        cosines = F.normalize(centered, dim=-1) @ F.normalize(embeddings, dim=-1).T
        scores.append(cosines.max(0).values / TEMPERATURE)
        lengths.append(centered.norm(dim=-1).mean())
    present = torch.tensor([[word in row for word in vocabulary] for row in words])
    likelihood = torch.stack(scores).log_softmax(1)[present].mean()
    ratio = torch.stack(lengths) / embeddings.norm(dim=-1).mean()
    return (ratio - 1).square().mean() - likelihood


def span_hidden(signals: Signals, hidden_BTD: Tensor, targets: Sequence[Target]) -> Tensor:
    """Hidden states that condition the decoder, of N spans of one modality: (N, S, D)."""
    length = signals.length(targets[0].modality)
    spans = [hidden_BTD[t.row, t.start : t.start + length] for t in targets]
    return signals.conditions(torch.stack(spans))


def alignment_loss(conditions: Tensor, wanted: Tensor) -> Tensor:
    """Squared distance of conditions (N, ...) in units of the wanted conditions' variance, ().

    NExT-GPT sums unscaled distances, so that pictures outweigh sounds thirtyfold; in units of
    the variance the term is about 1 at the start in every modality.
    """
    return (conditions.float() - wanted).square().mean() / wanted.var()


def gist_loss(conditions: Tensor, wanted: Tensor) -> Tensor:
    """Squared distance of the pooled conditions, which have unit variance, ().

    One of many tokens holds all that a caption says, so it counts as much as the others together.
    """
    return (pooled_condition(conditions.float()) - pooled_condition(wanted)).square().mean()


def contrast_loss(conditions: Tensor, wanted: Tensor, others: Tensor) -> Tensor:
    """InfoNCE of gists: nearer to the wanted condition than to those of `others` (M, W), ().

    The distance alone is small already where everything is right but the name of the object.
    """
    center = others.mean(0)
    made, true, false = (
        F.normalize(gists.float() - center, dim=-1)
        for gists in (pooled_condition(conditions), pooled_condition(wanted), others)
    )
    right = (made * true).sum(-1, keepdim=True)
    same = true @ false.T > SAME  # captions of the bank that say the same
    wrong = (made @ false.T).masked_fill(same, -1)
    logits = torch.cat([right, wrong], dim=1) / TEMPERATURE
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=made.device))


def condition_losses(
    modality: MediaModality, spec: ConditionSpec, made: Tensor, wanted: Tensor, others: Tensor
) -> dict[str, Tensor]:
    """How far N conditions are from the wanted ones, and from the gists of others (M, W)."""
    tokens, wanted_tokens = spec.split(made)[0], spec.split(wanted)[0]
    return {
        f"{modality}_align": alignment_loss(made, wanted),
        f"{modality}_gist": gist_loss(tokens, wanted_tokens),
        f"{modality}_contrast": CONTRAST_SHARE * contrast_loss(tokens, wanted_tokens, others),
    }


def generation_losses(
    model: Any,
    hidden_BTD: Tensor,
    batch: Batch,
    generators: Sequence[torch.Generator],
    denoised: int,
) -> dict[str, Tensor]:
    """The losses of every modality in the batch; denoising on at most `denoised` spans of each."""
    losses: dict[str, Tensor] = {}
    by_modality: dict[MediaModality, list[Target]] = {}
    for target in batch.targets:
        by_modality.setdefault(target.modality, []).append(target)
    for modality, targets in by_modality.items():
        decoder = model.decoders[modality]
        hidden_NSD = span_hidden(model.llm.signals, hidden_BTD, targets)
        conditions = model.condition_of(modality, hidden_NSD)
        captions = [t.caption for t in targets]
        misses = [caption for t in targets for caption in t.misses]
        with torch.no_grad():
            told = decoder.encode_prompt(captions + misses).float()
        wanted, missed = told[: len(captions)], told[len(captions) :]
        spec = decoder.condition_spec
        others = torch.cat([model.aids.of(modality), pooled_condition(spec.split(missed)[0])])
        losses |= condition_losses(modality, spec, conditions, wanted, others)
        if denoised:
            media = [t.media for t in targets[:denoised]]
            rows = generators[: len(media)]
            losses[f"{modality}_denoise"] = decoder.loss(media, conditions[: len(media)], rows)
    return losses

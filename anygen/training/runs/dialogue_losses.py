"""The losses of a step's dialogues, of which a pass may compute a part.

The sum over the parts is the loss of all dialogues at once: means are over the tokens and spans of
the whole step, and captions of other parts are negatives, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from anygen.config.run import Run
from anygen.core.modality import MediaModality
from anygen.model.multimodal import MultimodalModel
from anygen.training.collate import (
    IGNORED,
    Batch,
    RowSummary,
    SpanGroup,
    assemble,
    group_spans,
)
from anygen.training.losses import distillation_loss, generation_losses, hidden_states, text_loss
from anygen.training.packed_rows import packed_states
from anygen.training.precomputed import NegativeBank
from anygen.training.runs.step import Step

Losses = dict[str, Tensor]  # every term (); the names stand in the run's log


def text_losses(model: MultimodalModel, _: None, run: Run, step: Step) -> Losses:
    """The words of answers alone."""
    batch = assemble(model, step.own)
    hidden = hidden_of(model, batch, run.packing)
    losses = {"text": text_loss(model.llm, hidden, batch.labels)}
    return weighted(losses, run, step)


def dialogue_losses(model: MultimodalModel, bank: NegativeBank, run: Run, step: Step) -> Losses:
    """Words of answers, plain answers, and media."""
    batch = assemble(model, step.own)
    if step.rows is not None:
        targets = [target for row in step.summaries for target in row.targets]
        batch = replace(batch, spans=group_spans(targets, step.rows))
    hidden = hidden_of(model, batch, run.packing)
    losses, weights = {}, run.loss_weights
    if batch.plain.any() and weights.likeness:
        losses["likeness"] = weights.likeness * distillation_loss(model.llm, hidden, batch)
    # Plain answers teach their distribution, not their words.
    if not batch.plain.all() and weights.text:
        plain_B1 = batch.plain[:, None].to(batch.labels.device)
        labels = batch.labels.masked_fill(plain_B1, IGNORED)
        losses["text"] = weights.text * text_loss(model.llm, hidden, labels)
    losses |= generation_losses(model, hidden, batch, bank.negatives, step.generators, run)
    if not losses:  # none of these rows has what the run learns from
        return {"text": 0 * torch.stack([hidden.sum(), *(p.sum() for p in whole_of(model))]).sum()}
    return weighted(losses, run, step, batch.spans)


def whole_of(model: MultimodalModel) -> list[nn.Parameter]:
    """What learns of a model, without what each process has a part of."""
    return [p for p in model.parameters() if p.requires_grad and not isinstance(p, DTensor)]


def weighted(
    losses: Losses,
    run: Run,
    step: Step,
    spans: Mapping[MediaModality, SpanGroup] | None = None,
) -> Losses:
    """Each term by its share of what the whole step has of it, before an average of processes."""
    if step.rows is None:
        return losses
    summaries = step.summaries
    own = [summaries[row] for row in step.rows]
    shares = {
        "likeness": share([row.words for row in own if row.plain], summaries, plain=True),
        "text": share([row.words for row in own if not row.plain], summaries, plain=False),
    }
    for modality, group in (spans or {}).items():
        whole = len(group.numbers) / len(group.captions)
        shares |= {f"{modality}_{kind}": whole for kind in ("align", "gist", "contrast")}
        denoised = group.visible[: run.denoised]
        if denoised:
            shares[f"{modality}_denoise"] = len({*denoised} & {*group.numbers}) / len(denoised)
    return {name: step.processes * shares[name] * loss for name, loss in losses.items()}


def share(own: Sequence[int], summaries: Sequence[RowSummary], *, plain: bool) -> float:
    """Of the words of plain answers, or of the others, that the rows of a part have."""
    return sum(own) / max(1, sum(row.words for row in summaries if row.plain == plain))


def hidden_of(model: MultimodalModel, batch: Batch, packing: int | None = None) -> Tensor:
    """Hidden states (B, T, D); with `packing`, dialogues share rows of so many positions."""
    if packing is not None:
        return packed_states(model.llm, batch, packing)
    return hidden_states(
        model.llm, batch.embeds, batch.lengths, batch.shared, batch.branches, batch.media
    )

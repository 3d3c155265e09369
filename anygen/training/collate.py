"""Dialogues -> one padded batch of LLM embeddings, labels and spans, for the three LLM stages.

B dialogues, T positions, K features, W width of the encoder, D width of the LLM.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from anygen.core.media import Media, modality_of
from anygen.core.modality import MediaModality
from anygen.llm.kv_cache import is_medium
from anygen.llm.prompt import Features, Piece, Span, Tokens, build_prompt
from anygen.llm.signal_tokens import Signals
from anygen.training.dialogues import Dialogue

IGNORED = -100  # the label of what is not learned


@dataclass(frozen=True, eq=False)
class Target:
    """What a span must become."""

    modality: MediaModality
    row: int
    start: int  # position of the trigger
    media: Media
    caption: str
    misses: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Batch:
    embeds: Tensor  # (B, T, D)
    lengths: Tensor  # (B,) without the padding at the end
    labels: Tensor  # (B, T) columns of LanguageModel.logits, or IGNORED
    targets: list[Target]
    plain: Tensor  # (B,) whether the base model itself has answered
    shared: int = 0  # positions at the beginning that are the same in every row
    branches: Tensor | None = None  # (B, T), see `branches_of`
    media: Tensor | None = None  # (B, T), where media stand


def assemble(model: Any, dialogues: Sequence[Dialogue]) -> Batch:
    """One forward pass of the encoder for all media of the batch, then a row per dialogue."""
    prompts = [
        build_prompt(model.with_system_prompt(d.messages), model.llm.tokenizer, reply=False)
        for d in dialogues
    ]
    features = encode_media(model, prompts, dialogues)
    rows, targets = [], []
    for index, (prompt, dialogue) in enumerate(zip(prompts, dialogues)):
        embeds, labels, found = assemble_row(model, prompt, dialogue, features[index], index)
        rows.append((embeds, labels))
        targets += found
    lengths = torch.tensor([len(labels) for _, labels in rows])
    labels_BT = pad_sequence([labels for _, labels in rows], True, IGNORED)
    return Batch(
        embeds=pad_sequence([embeds for embeds, _ in rows], batch_first=True),
        lengths=lengths,
        labels=labels_BT,
        targets=targets,
        plain=torch.tensor([dialogue.plain for dialogue in dialogues]),
        shared=min(common_beginning(prompts), int(lengths.min()) - 1),
        branches=branches_of(model.llm.signals, targets, labels_BT),
        media=pad_sequence([media_at(model, prompt) for prompt in prompts], batch_first=True),
    )


def media_at(model: Any, prompt: Sequence[Piece]) -> Tensor:
    """Where media stand in a prompt (T,), as its keys tell."""
    keys = [key for piece in prompt for key in model.cache_keys(piece)]
    return torch.tensor([is_medium(key) for key in keys], device=model.llm.signal_rows.device)


def branches_of(signals: Signals, targets: Sequence[Target], labels_BT: Tensor) -> Tensor | None:
    """Which span each position belongs to (B, T), 0 for none; None where all see all spans."""
    if not signals.droppable:
        return None
    branches_BT = torch.zeros_like(labels_BT)
    for number, t in enumerate(targets, start=1):
        branches_BT[t.row, t.start : t.start + signals.length(t.modality)] = number
    return branches_BT


def common_beginning(prompts: Sequence[Sequence[Piece]]) -> int:
    """How many tokens all prompts begin with: the system prompt and what surrounds it."""
    beginnings = []
    for prompt in prompts:
        text = takewhile(lambda piece: isinstance(piece, Tokens), prompt)
        beginnings.append([token for piece in text for token in cast(Tokens, piece).ids])
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*beginnings)))


def encode_media(
    model: Any, prompts: Sequence[Sequence[Piece]], dialogues: Sequence[Dialogue]
) -> list[list[Tensor]]:
    """Per dialogue, the features (K, W) of its media in reading order."""
    media = [[p.media for p in prompt if isinstance(p, Features)] for prompt in prompts]
    seen = [m for row, d in zip(media, dialogues) for i, m in enumerate(row) if i not in d.features]
    model.check_seen("messages", map(modality_of, seen))
    encoded = iter(model.encoder.encode(seen) if seen else [])
    return [
        [d.features[i] if i in d.features else next(encoded) for i in range(len(row))]
        for row, d in zip(media, dialogues)
    ]


def assemble_row(
    model: Any, prompt: Sequence[Piece], dialogue: Dialogue, features: list[Tensor], row: int
) -> tuple[Tensor, Tensor, list[Target]]:
    """Embeddings (T, D), labels (T,) and the spans of one dialogue."""
    embeds: list[Tensor] = []
    labels: list[int] = []
    targets: list[Target] = []
    unread = iter(features)
    for index, piece in enumerate(prompt):
        if isinstance(piece, Features):
            embeds.append(model.embed_features(piece, next(unread)))
            labels += [IGNORED] * len(embeds[-1])
            continue
        embeds.append(model.embed_piece(piece))
        if isinstance(piece, Tokens):
            labels += list(piece.ids) if piece.learned else [IGNORED] * len(piece.ids)
            continue
        targets.append(target_of(piece, prompt[index + 1], dialogue, row, len(labels)))
        trigger = model.llm.signals.trigger(piece.modality)
        labels += [model.llm.label_of(trigger)] + [IGNORED] * (len(embeds[-1]) - 1)
    return torch.cat(embeds), torch.tensor(labels, device=embeds[0].device), targets


def target_of(span: Span, medium: Any, dialogue: Dialogue, row: int, start: int) -> Target:
    """A span is followed by the features of the medium that it stands for."""
    if span.medium not in dialogue.captions:
        raise ValueError(f"a {span.modality} that the assistant makes needs a caption")
    said, misses = dialogue.captions[span.medium], dialogue.misses.get(span.medium, ())
    return Target(span.modality, row, start, medium.media, said, misses)

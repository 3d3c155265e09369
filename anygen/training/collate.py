"""Dialogues -> one padded batch of LLM embeddings, labels and spans, for the three LLM stages.

B dialogues, T positions, K features, W width of the encoder, D width of the LLM.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from anygen.core.media import Media, media_of, modality_of
from anygen.core.modality import MediaModality
from anygen.llm.kv_cache import is_medium
from anygen.llm.prompt import Features, Piece, Span, Tokens, build_prompt
from anygen.llm.signal_tokens import Signals
from anygen.model.multimodal import MultimodalModel
from anygen.training.dialogues import Dialogue

IGNORED = -100  # the label of positions without a loss: torch's default in cross_entropy


@dataclass(frozen=True, eq=False)
class Target:
    """The medium that the decoder should render from one span of signal tokens."""

    modality: MediaModality
    row: int  # of the batch
    start: int  # position of the trigger
    media: Media | None  # None: only its caption is known
    caption: str
    hard_negatives: Sequence[str] = ()  # similar captions that are wrong for this medium


@dataclass(frozen=True, eq=False)
class Batch:
    embeds: Tensor  # (B, T, D)
    lengths: Tensor  # (B,) without the padding at the end
    labels: Tensor  # (B, T) columns of LanguageModel.logits, or IGNORED
    targets: list[Target]
    plain: Tensor  # (B,) bool: the answer is the base model's own
    shared: int = 0  # leading positions that are the same in every row
    branches: Tensor | None = None  # (B, T), see `branches_of`
    media: Tensor | None = None  # (B, T) bool: a feature of a medium stands here
    spans: dict[MediaModality, "SpanGroup"] | None = None  # of the step that this is a part of


@dataclass(frozen=True)
class SpanGroup:
    """The spans of one modality in all rows of a step, numbered in order."""

    captions: Sequence[str]
    hard_negatives: Sequence[str]  # of all of them
    visible: Sequence[int]  # numbers of spans whose media are known
    numbers: Sequence[int]  # of the spans in the rows of a batch


@dataclass(frozen=True)
class RowSummary:
    """What losses depend on of a dialogue that another pass computes."""

    plain: bool
    words: int  # positions with a label
    targets: list[Target]  # without their places


def summaries_of(model: MultimodalModel, dialogues: Sequence[Dialogue]) -> list[RowSummary]:
    """Of every dialogue; nothing is encoded for it."""
    summaries = []
    for row, dialogue in enumerate(dialogues):
        prompt, media = prompt_of(model, dialogue, model.llm.tokenizer), media_of(dialogue.messages)
        words, targets = 0, []
        for piece in prompt:
            if isinstance(piece, Tokens):
                words += len(piece.ids) if piece.learned else 0
            elif isinstance(piece, Span):
                targets.append(target_of(piece, media, dialogue, row, 0))
        words += len(targets)  # their triggers
        first = prompt[0]  # nothing stands before it, so it is not predicted
        words -= isinstance(first, Span) or (isinstance(first, Tokens) and first.learned)
        summaries.append(RowSummary(dialogue.plain, words, targets))
    return summaries


def group_spans(
    targets: Sequence[Target], rows: Container[int] | None = None
) -> dict[MediaModality, SpanGroup]:
    """The spans of a step, of which a batch has those in `rows`, by default all."""
    groups = {}
    for modality in dict.fromkeys(target.modality for target in targets):
        own = [target for target in targets if target.modality == modality]
        groups[modality] = SpanGroup(
            [target.caption for target in own],
            [caption for target in own for caption in target.hard_negatives],
            [number for number, target in enumerate(own) if target.media is not None],
            [n for n, target in enumerate(own) if rows is None or target.row in rows],
        )
    return groups


def assemble(model: MultimodalModel, dialogues: Sequence[Dialogue]) -> Batch:
    """One row per dialogue; the encoder runs once for all media of the batch."""
    prompts = [prompt_of(model, dialogue, model.llm.tokenizer) for dialogue in dialogues]
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
        shared=min(common_prefix_length(prompts), int(lengths.min()) - 1),
        branches=branches_of(model.llm.signals, targets, labels_BT),
        media=pad_sequence([media_mask(model, prompt) for prompt in prompts], batch_first=True),
    )


def prompt_of(
    model: MultimodalModel, dialogue: Dialogue, tokenizer: PreTrainedTokenizerBase
) -> list[Piece]:
    """The pieces of a dialogue. Behind the span of a medium without a file nothing is read."""
    messages = model.with_system_prompt(dialogue.messages)
    pieces = build_prompt(messages, tokenizer, reply=False)
    return [p for p in pieces if not (isinstance(p, Features) and p.medium in dialogue.unseen)]


def encode_media(
    model: MultimodalModel, prompts: Sequence[Sequence[Piece]], dialogues: Sequence[Dialogue]
) -> list[list[Tensor]]:
    """The features (K, W) of the media of each dialogue, in reading order."""
    pieces = [[piece for piece in prompt if isinstance(piece, Features)] for prompt in prompts]
    unencoded = [
        piece.media
        for row, dialogue in zip(pieces, dialogues)
        for piece in row
        if piece.medium not in dialogue.features
    ]
    model.check_encodable("messages", map(modality_of, unencoded))
    encoded = iter(model.encoder.encode(unencoded) if unencoded else [])
    return [
        [d.features[p.medium] if p.medium in d.features else next(encoded) for p in row]
        for row, d in zip(pieces, dialogues)
    ]


def assemble_row(
    model: MultimodalModel,
    prompt: Sequence[Piece],
    dialogue: Dialogue,
    features: list[Tensor],
    row: int,
) -> tuple[Tensor, Tensor, list[Target]]:
    """Embeddings (T, D), labels (T,) and targets of one dialogue."""
    embeds: list[Tensor] = []
    labels: list[int] = []
    targets: list[Target] = []
    remaining, media = iter(features), media_of(dialogue.messages)
    for piece in prompt:
        if isinstance(piece, Features):
            embeds.append(model.embed_features(piece, next(remaining)))
            labels += [IGNORED] * len(embeds[-1])
            continue
        embeds.append(model.embed_piece(piece))
        if isinstance(piece, Tokens):
            labels += list(piece.ids) if piece.learned else [IGNORED] * len(piece.ids)
            continue
        targets.append(target_of(piece, media, dialogue, row, len(labels)))
        trigger = model.llm.signals.trigger(piece.modality)
        labels += [model.llm.label_of(trigger)] + [IGNORED] * (len(embeds[-1]) - 1)
    return torch.cat(embeds), torch.tensor(labels, device=embeds[0].device), targets


def target_of(
    span: Span, media: Sequence[Media], dialogue: Dialogue, row: int, start: int
) -> Target:
    """The target of a span of a dialogue with these media. Raises ValueError without a caption."""
    if span.medium not in dialogue.captions:
        raise ValueError(f"a {span.modality} that the assistant makes needs a caption")
    negatives = dialogue.hard_negatives.get(span.medium, ())
    caption = dialogue.captions[span.medium]
    medium = None if span.medium in dialogue.unseen else media[span.medium]
    return Target(span.modality, row, start, medium, caption, negatives)


def common_prefix_length(prompts: Sequence[Sequence[Piece]]) -> int:
    """How many leading tokens all prompts share: the system prompt and the template around it."""
    prefixes = []
    for prompt in prompts:
        ids: list[int] = []
        for piece in prompt:
            if not isinstance(piece, Tokens):
                break
            ids += piece.ids
        prefixes.append(ids)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*prefixes)))


def branches_of(signals: Signals, targets: Sequence[Target], labels_BT: Tensor) -> Tensor | None:
    """The number of the span that each position belongs to (B, T), 0 for none.

    None if spans stay visible to what follows them.
    """
    if not signals.droppable:
        return None
    branches_BT = torch.zeros_like(labels_BT)
    for number, t in enumerate(targets, start=1):
        branches_BT[t.row, t.start : t.start + signals.length(t.modality)] = number
    return branches_BT


def media_mask(model: MultimodalModel, prompt: Sequence[Piece]) -> Tensor:
    """Where features of media stand in a prompt, (T,) bool."""
    keys = [key for piece in prompt for key in model.cache_keys(piece)]
    return torch.tensor([is_medium(key) for key in keys], device=model.llm.signal_rows.device)

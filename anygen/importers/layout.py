"""Describes a foreign layout: its files, its keys, and what fills tensors that it lacks.

"Theirs" are keys of the checkpoint, "ours" the names of the model's own tensors. Names of weights
that a layout has for the base LLM begin with `base.`, followed by the LLM's own names.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import cosine_similarity
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

from anygen.core.modality import MEDIA, MediaModality
from anygen.llm.signal_tokens import Signals

BASE = "base."
SAME_TABLE = 0.5  # median cosine of the rows of two tables, one of which was tuned from the other
PARTS = ("llm", "input_projector", "output_projectors")  # that a checkpoint may have

Transform = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Target:
    """The system that weights are imported into."""

    signals: Signals
    width: int
    base: Path | str  # the folder or the id of the LLM
    tokenizer: PreTrainedTokenizerBase
    added: Mapping[str, int]  # tokens of the checkpoint's tokenizer beyond the vocabulary: ids

    def id_of(self, token: str) -> int:
        """The id of an added token. Raises ValueError if the checkpoint's tokenizer lacks it."""
        if token not in self.added:
            raise ValueError(
                f"the checkpoint's tokenizer has no token {token!r} beyond the vocabulary of "
                "llm.base; its files belong beside the weights"
            )
        return self.added[token]


@dataclass(frozen=True)
class File:
    """A file of a layout, or all files of the first pattern that matches any, read as one."""

    patterns: tuple[str, ...]
    parts: tuple[str, ...] = PARTS  # that it has weights of
    prefix: str = ""  # added to its keys


@dataclass(frozen=True)
class KeyRule:
    """Maps their keys to ours: a regular expression, and the name that a match becomes."""

    theirs: str
    ours: str
    transform: Transform = torch.Tensor.detach
    rows: Sequence[int] | None = None  # the rows of ours that it fills; None: all


@dataclass(frozen=True)
class FillRule:
    """Fills tensors of ours, by a regular expression, for which the layout has nothing."""

    ours: str
    reason: str  # for the report
    fill: Callable[[Size], Tensor]


def no_fill_rules(target: Target) -> Sequence[FillRule]:
    return ()


@dataclass(frozen=True)
class Importer:
    """A layout, and how it becomes a model of ours."""

    files: tuple[File, ...]
    required: Mapping[str, Any]  # settings of the system that no shape reveals
    key_rules: Callable[[Target], Sequence[KeyRule]]
    fill_rules: Callable[[Target], Sequence[FillRule]] = no_fill_rules  # for the LLM
    fill_always: Sequence[FillRule] = ()  # for other parts
    ignored: Mapping[str, str] = field(default_factory=dict)  # patterns of their keys: reasons
    base_weights: str = "(?!)"  # pattern of the base LLM's weights in the layout; here none


def squeeze_first(tensor: Tensor) -> Tensor:
    """(1, ...) -> (...)."""
    return tensor[0]


def token_rows(ids: Sequence[int], total: int, target: Target) -> Transform:
    """Selects rows of a table of `total` tokens. Raises ValueError if it is another LLM's."""

    def select(table: Tensor) -> Tensor:
        if table.shape[1] != target.width:
            raise ValueError(
                f"the checkpoint was made for an LLM of width {table.shape[1]}, and llm.base has "
                f"width {target.width}; name the LLM that it was tuned from"
            )
        if len(table) != total:
            vocabulary = target.signals.vocabulary
            raise ValueError(
                f"the checkpoint has {len(table)} token rows, and with the {vocabulary} of "
                f"llm.base it would have {total}; name the LLM that it was tuned from"
            )
        return table[torch.tensor(ids, dtype=torch.long)]

    return select


def embedding_table(base: Path | str) -> Tensor:
    """The table of an LLM's tokens, (V, D)."""
    llm = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    table: Tensor = llm.get_input_embeddings().weight.detach()
    return table


def tuned_table(select: Transform, target: Target) -> Transform:
    """Raises ValueError for a table that was not tuned from that of llm.base.

    Training moves the rows of tokens that occur in it, so the median of all rows is compared: of
    the same LLM it stays near 1, of an unrelated one near 0. LLMs tuned from one LLM, as Vicuna v0,
    v1.1 and v1.3, have almost equal tables and cannot be told apart.
    """

    def check(table: Tensor) -> Tensor:
        rows = select(table)
        cosines = cosine_similarity(rows.float(), embedding_table(target.base).float(), dim=1)
        if not (median := cosines.median().item()) >= SAME_TABLE:
            raise ValueError(
                "the checkpoint's table of tokens was not tuned from that of llm.base (the median "
                f"cosine of their rows is {median:.2f}); name the LLM that it was tuned from"
            )
        return rows

    return check


@dataclass(frozen=True)
class TokenIds:
    """Token ids of a checkpoint: of signal spans, and of the marks around features."""

    spans: Mapping[MediaModality, Sequence[int]]
    marks: tuple[Sequence[int], Sequence[int]]  # the same for all modalities
    total: int  # token rows of the checkpoint

    def key_rules(self, target: Target, embedding: str, head: str) -> list[KeyRule]:
        """The base LLM's tables, our signal rows and our trigger rows from their tables."""
        vocabulary, modalities = range(target.signals.vocabulary), target.signals.modalities
        before, after = self.marks
        marks = [*before, *after] * len(MEDIA)
        signals = [i for modality in modalities for i in self.spans[modality]] + marks
        triggers = [self.spans[modality][0] for modality in modalities]
        rules = [
            KeyRule(theirs, ours, token_rows(ids, self.total, target))
            for theirs, ours, ids in (
                (embedding, "llm.signal_rows", signals),
                (head, f"{BASE}lm_head.weight", vocabulary),
                (head, "llm.trigger_rows", triggers),
            )
        ]
        table = tuned_table(token_rows(vocabulary, self.total, target), target)
        return [KeyRule(embedding, f"{BASE}model.embed_tokens.weight", table), *rules]


ZERO_TRIGGER_BIAS = FillRule(r"llm\.trigger_bias", "the layout has none: zero", torch.zeros)


def zero_lora(target: Target) -> list[FillRule]:
    """LoRA as it is before training (Hu et al. 2021, section 4.1)."""
    reason = "the layout has no LoRA: one that does nothing yet"
    return [
        FillRule(r"llm\.base\..*\.lora_B\.default\.weight", reason, torch.zeros),
        FillRule(r"llm\.base\..*\.lora_A\.default\.weight", reason, random_weights),
    ]


def random_weights(shape: Size) -> Tensor:
    """Random weights of a linear layer, the same on every call."""
    generator = torch.Generator().manual_seed(0)
    return nn.init.kaiming_uniform_(torch.empty(shape), a=math.sqrt(5), generator=generator)

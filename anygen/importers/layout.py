"""What a foreign layout is: its files, what becomes of each of its keys, what it leaves to us.

Names of ours are those of the model's own tensors; `base.` begins those of the LLM's weights that a
layout brings, as the LLM itself names them. D width of the LLM.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Size, Tensor, nn

from anygen.core.modality import MEDIA, MediaModality
from anygen.llm.signal_tokens import Signals

BASE = "base."
PARTS = ("llm", "input_projector", "output_projectors")  # that a checkpoint may bring

Take = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Target:
    """What is known of the system that weights are made for."""

    signals: Signals
    width: int
    base: Path | str  # where the LLM is
    tokenizer: Any
    added: Mapping[str, int]  # ids of what the checkpoint's own tokenizer has beyond the vocabulary

    def id_of(self, token: str) -> int:
        """Of a token that the checkpoint's tokenizer must have. Raises ValueError."""
        if token not in self.added:
            raise ValueError(
                f"the checkpoint's tokenizer has no token {token!r} beyond the vocabulary of "
                "llm.base; its files belong beside the weights"
            )
        return self.added[token]


@dataclass(frozen=True)
class File:
    """A file of a layout, or several of the first pattern that finds any, read as one."""

    patterns: tuple[str, ...]
    parts: tuple[str, ...] = PARTS  # that it has something of
    prefix: str = ""  # put before its keys


@dataclass(frozen=True)
class Row:
    """Their keys, a regular expression, and the name of ours that a matching one becomes."""

    theirs: str
    ours: str
    take: Take = torch.Tensor.detach
    put: Sequence[int] | None = None  # the rows of ours that it fills; None: all


@dataclass(frozen=True)
class DefaultTensor:
    """Names of ours, a regular expression, that a layout has nothing for, and what fills them."""

    ours: str
    why: str
    make: Callable[[Size], Tensor]


def nothing(target: Target) -> Sequence[DefaultTensor]:
    return ()


@dataclass(frozen=True)
class Importer:
    """One row of the table of layouts."""

    files: tuple[File, ...]
    needs: Mapping[str, Any]  # settings that no shape tells, and that all depends on
    rows: Callable[[Target], Sequence[Row]]
    made: Callable[[Target], Sequence[DefaultTensor]] = nothing  # of the LLM
    left_out: Mapping[str, str] = field(default_factory=dict)  # their keys, and why
    brings: str = "(?!)"  # the names of the LLM's weights that it brings; none


def squeezed(tensor: Tensor) -> Tensor:
    """(1, ...) -> (...)."""
    return tensor[0]


def token_rows(ids: Sequence[int], total: int, target: Target) -> Take:
    """Takes rows of a table of `total` tokens. Raises ValueError for a table of another LLM's."""

    def take(table: Tensor) -> Tensor:
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

    return take


@dataclass(frozen=True)
class Spoken:
    """Ids in a checkpoint of what the LLM says for a medium, and of what stands around features."""

    spans: Mapping[MediaModality, Sequence[int]]
    marks: tuple[Sequence[int], Sequence[int]]  # the same for all modalities
    total: int  # token rows of the checkpoint

    def rows(self, target: Target, embedding: str, head: str) -> list[Row]:
        """The base LLM's tables, our signal rows and our trigger rows out of theirs."""
        vocabulary, modalities = range(target.signals.vocabulary), target.signals.modalities
        before, after = self.marks
        marks = [*before, *after] * len(MEDIA)
        spoken = [i for modality in modalities for i in self.spans[modality]] + marks
        triggers = [self.spans[modality][0] for modality in modalities]
        return [
            Row(theirs, ours, token_rows(ids, self.total, target))
            for theirs, ours, ids in (
                (embedding, f"{BASE}model.embed_tokens.weight", vocabulary),
                (embedding, "llm.signal_rows", spoken),
                (head, f"{BASE}lm_head.weight", vocabulary),
                (head, "llm.trigger_rows", triggers),
            )
        ]


NO_BIAS = DefaultTensor(r"llm\.trigger_bias", "the layout has none: zero", torch.zeros)


def zero_lora(target: Target) -> list[DefaultTensor]:
    """As it is before it learns (Hu et al. 2021, section 4.1)."""
    why = "the layout has no LoRA: one that does nothing yet"
    return [
        DefaultTensor(r"llm\.base\..*\.lora_B\.default\.weight", why, torch.zeros),
        DefaultTensor(r"llm\.base\..*\.lora_A\.default\.weight", why, fresh),
    ]


def fresh(shape: Size) -> Tensor:
    """Random weights of a linear layer, the same every time."""
    generator = torch.Generator().manual_seed(0)
    return nn.init.kaiming_uniform_(torch.empty(shape), a=math.sqrt(5), generator=generator)

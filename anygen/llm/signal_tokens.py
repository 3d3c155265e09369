"""Signal tokens: what the LLM emits for a medium. Their ids follow the vocabulary.

B rows, P positions, S those of a span, D width of the LLM.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from anygen.config.system import SignalSettings
from anygen.core.modality import MEDIA, MediaModality


@dataclass(frozen=True)
class Signals:
    """The table of signal rows: a span for each of `modalities`, then the marks of each of MEDIA.

    A span is what the LLM emits for a medium; its first token is the trigger, the only one that
    can be sampled. Marks stand before or around the features of a medium that the LLM reads.
    """

    vocabulary: int  # number of the LLM's own tokens
    modalities: tuple[MediaModality, ...]  # those with a decoder
    settings: SignalSettings = SignalSettings()

    @property
    def rows(self) -> int:
        return sum(map(self.length, self.modalities)) + len(MEDIA) * self.around

    @property
    def around(self) -> int:
        """The number of marks around a medium's features."""
        return sum(self.settings.marks)

    @property
    def droppable(self) -> bool:
        """Whether a span leaves the context as soon as the decoder has its condition."""
        return self.settings.droppable

    @property
    def leading(self) -> int:
        """The number of tokens of a span before those that condition the decoder."""
        return 1 if self.settings.kind == "queries" else 0

    @property
    def closing(self) -> int:
        """The number of tokens of a span after those that condition the decoder."""
        return int(self.settings.closing)

    def length(self, modality: MediaModality) -> int:
        """The number of tokens of a whole span."""
        return self.leading + self.settings.tokens[modality] + self.closing

    def span(self, modality: MediaModality) -> list[int]:
        """The ids of a whole span."""
        index = self.modalities.index(modality)
        first = self.vocabulary + sum(map(self.length, self.modalities[:index]))
        return list(range(first, first + self.length(modality)))

    def conditions(self, hidden: Tensor) -> Tensor:
        """Hidden states (..., S, D) of a whole span -> those that condition the decoder."""
        return hidden[..., self.leading : hidden.shape[-2] - self.closing, :]

    def marks(self, modality: MediaModality) -> tuple[list[int], list[int]]:
        """The ids of the marks before and after the features of a medium."""
        behind = (len(MEDIA) - MEDIA.index(modality)) * self.around
        first = self.vocabulary + self.rows - behind
        middle = first + self.settings.marks[0]
        return list(range(first, middle)), list(range(middle, first + self.around))

    def trigger(self, modality: MediaModality) -> int:
        return self.span(modality)[0]

    def modality_of(self, token: int) -> MediaModality | None:
        """The modality that a sampled token triggers; None for text."""
        return self.triggers.get(token)

    @cached_property
    def triggers(self) -> dict[int, MediaModality]:
        return {self.trigger(modality): modality for modality in self.modalities}


def side_positions(branches_BP: Tensor) -> Tensor:
    """Position ids (B, P) where spans are side branches.

    `branches_BP` holds the number of the span that each position belongs to, 0 for none. A span
    continues the positions before it; what follows it continues as if there were no span.
    """
    index = torch.arange(branches_BP.shape[1], device=branches_BP.device)
    main = branches_BP == 0
    before = main.cumsum(1) - main.long()  # positions outside spans before each
    starts = torch.where(run_starts(branches_BP), index, 0).cummax(1).values
    return torch.where(main, before, before + index - starts)


def run_starts(branches_BP: Tensor) -> Tensor:
    """Whether a position is the first of a run of equal numbers, (B, P)."""
    return torch.diff(branches_BP, dim=1, prepend=branches_BP[:, :1] - 1) != 0


def side_mask(branches_BP: Tensor, dtype: torch.dtype) -> Tensor:
    """An additive attention mask (B, 1, P, P) that hides a span from all positions outside it.

    Otherwise a position attends to everything before it.
    """
    query, key = branches_BP[:, :, None], branches_BP[:, None, :]
    visible = ((key == 0) | (key == query)).tril()
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return mask.masked_fill(~visible, torch.finfo(dtype).min)[:, None]

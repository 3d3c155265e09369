"""Hidden states of answers by the media expert, where the untouched base LLM reads the prompts.

The base LLM reads each dialogue up to its last answer, and keys and values of that are what the
expert attends to. All answers of a dialogue are then one pass of the expert: each attends to what
stands before it, as the base LLM has read it, and to itself. An answer begins with the position
before its first token, which predicts that token.

B dialogues, T positions, n rows of a pass, P positions of prompts, A of answers, D width.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from anygen.llm.language_model import LanguageModel
from anygen.llm.signal_tokens import side_positions

PASSES = 2  # groups of rows of similar length, among those with media and those without


class Prefix(DynamicCache):
    """Keys and values that are attended to, and that a pass does not add its own to."""

    def __init__(self, cache: DynamicCache) -> None:
        super().__init__()
        self.layers = cache.layers

    def update(
        self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        if layer >= len(self.layers):  # nothing was read
            return keys, values
        read: Any = self.layers[layer]
        return torch.cat([read.keys, keys], dim=2), torch.cat([read.values, values], dim=2)


@dataclass(frozen=True, eq=False)
class Answers:
    """Where the answers of n dialogues stand, row by row, with padding at the end."""

    positions_nA: Tensor
    starts_nA: Tensor  # the first position of the answer that a position belongs to
    present_nA: Tensor  # bool: not padding

    def mask(self, read: int, branches_nT: Tensor | None, dtype: torch.dtype) -> Tensor:
        """Additive, (n, 1, A, read + A): over what the base LLM has read, then over the answers.

        A span in `branches_nT` is hidden from everything that follows it.
        """
        before = torch.arange(read, device=self.starts_nA.device) < self.starts_nA[:, :, None]
        positions, starts = self.positions_nA, self.starts_nA
        own = starts[:, :, None] == starts[:, None, :]
        own &= positions[:, None, :] <= positions[:, :, None]
        own &= self.present_nA[:, None, :]
        if branches_nT is not None:
            before &= (branches_nT[:, None, :read] == 0).expand_as(before)
            spans = branches_nT.gather(1, positions)
            own &= (spans[:, None, :] == 0) | (spans[:, None, :] == spans[:, :, None])
        visible = torch.cat([before, own], dim=2)
        mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
        return mask.masked_fill(~visible, torch.finfo(dtype).min)[:, None]


def answer_states(
    llm: LanguageModel,
    embeds_BTD: Tensor,
    numbers_BT: Tensor,
    shared: int = 0,
    branches_BT: Tensor | None = None,
    media_BT: Tensor | None = None,
) -> Tensor:
    """Hidden states (B, T, D) of the answers; other positions are zero.

    `numbers_BT` has the number of the answer that each position belongs to, 0 for none; see
    `hidden_states` for the others.
    """
    hidden_BTD = torch.zeros_like(embeds_BTD)
    last_B = (numbers_BT == numbers_BT.amax(1, keepdim=True)).int().argmax(1)
    shared = min(shared, int(last_B.min()))
    beginning = llm.new_cache()
    if shared:
        with llm.as_published():
            llm.hidden(embeds_BTD[:1, :shared], beginning)
    for rows, learns in groups(media_BT, last_B):
        read = int(last_B[rows].max())
        cache = llm.new_cache(beginning, len(rows))
        branches = None if branches_BT is None else branches_BT[rows]
        media = None if media_BT is None else media_BT[rows]
        if read > shared:
            with torch.set_grad_enabled(learns and torch.is_grad_enabled()), llm.without_lora():
                llm.hidden(
                    embeds_BTD[rows, shared:read],
                    cache,
                    None if branches is None else branches[:, :read],
                    None if media is None else media[:, shared:read],
                )
        answers = answers_of(numbers_BT[rows])
        positions = answers.positions_nA
        at = rows[:, None], positions
        shown = positions if branches is None else side_positions(branches).gather(1, positions)
        states = llm.hidden_at(
            embeds_BTD[at],
            Prefix(cache),
            None if media is None else media.gather(1, positions),
            position_ids=shown,
            attention_mask=answers.mask(read, branches, embeds_BTD.dtype),
        )
        present = answers.present_nA
        places = rows[:, None].expand_as(positions)[present], positions[present]
        hidden_BTD = hidden_BTD.index_put(places, states[present].to(hidden_BTD.dtype))
    return hidden_BTD


def groups(media_BT: Tensor | None, last_B: Tensor) -> Iterator[tuple[Tensor, bool]]:
    """Rows of similar length, and whether gradients flow through what the base LLM reads of them.

    They do where it reads media: input projectors learn from the answers.
    """
    reads_B = torch.zeros_like(last_B, dtype=torch.bool)
    if media_BT is not None:
        positions = torch.arange(media_BT.shape[1], device=last_B.device)
        reads_B = (media_BT & (positions < last_B[:, None])).any(1)
    order = last_B.argsort()
    for learns in (False, True):
        chosen = order[reads_B[order] == learns]
        for rows in chosen.chunk(PASSES):
            if len(rows):
                yield rows, learns


def answers_of(numbers_nT: Tensor) -> Answers:
    """The positions of answers, from the number of the answer of each position, 0 for none."""
    positions = [row.nonzero()[:, 0] for row in numbers_nT]
    starts = []
    for row, places in zip(numbers_nT, positions):
        numbers = row[places]
        first = numbers != F.pad(numbers, (1, 0))[:-1]
        starts.append(torch.where(first, places, 0).cummax(0).values)
    present = [torch.ones_like(places, dtype=torch.bool) for places in positions]
    return Answers(*(pad_sequence(each, batch_first=True) for each in (positions, starts, present)))


@torch.no_grad()
def middle_states(llm: LanguageModel, embeds_BTD: Tensor, lengths_B: Tensor) -> Tensor:
    """What the router reads: the base LLM's states (B, D) at the last positions of prompts."""
    with llm.middle_states() as states, llm.without_lora():
        llm.hidden(embeds_BTD)
    return states[0][torch.arange(len(lengths_B)), lengths_B - 1]

"""Several dialogues in one row of the LLM, which do not attend to each other.

B dialogues, T positions of the longest, S the first of them that all share, R packed rows, P
positions of the longest of these, D width of the LLM.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from anygen.llm.backbone import window_of
from anygen.llm.language_model import LanguageModel
from anygen.llm.signal_tokens import side_positions
from anygen.training.collate import Batch


@dataclass(frozen=True, eq=False)
class PackedRows:
    """Where the positions of packed rows come from."""

    dialogue: Tensor  # (R, P) number of the dialogue; -1 for padding at the end
    position: Tensor  # (R, P) position in it

    @classmethod
    def of(cls, lengths: Sequence[int], limit: int, start: int) -> "PackedRows":
        """Positions from `start` on of dialogues, in rows of at most `limit` positions in all.

        The longest come first, each into the fullest row that still has room for it (best fit
        decreasing). A longer dialogue has a row of its own.
        """
        rows: list[list[int]] = []
        room: list[int] = []
        for dialogue in sorted(range(len(lengths)), key=lambda d: -lengths[d]):
            size = lengths[dialogue] - start
            fitting = [row for row in range(len(rows)) if room[row] >= size]
            if fitting:
                row = min(fitting, key=room.__getitem__)
            else:
                row = len(rows)
                rows.append([])
                room.append(limit - start)
            rows[row].append(dialogue)
            room[row] -= size
        places = [[(d, p) for d in row for p in range(start, lengths[d])] for row in rows]
        longest = max(map(len, places))
        padded = [row + [(-1, 0)] * (longest - len(row)) for row in places]
        dialogue, position = torch.tensor(padded).unbind(-1)
        return cls(dialogue, position)

    def take(self, rows: Tensor) -> Tensor:
        """Values (B, T, ...) of dialogues in their packed places, (R, P, ...)."""
        device = rows.device
        packed: Tensor = rows[self.dialogue.clamp(min=0).to(device), self.position.to(device)]
        return packed


def check_window(config: Any) -> None:
    """Raises ValueError for an LLM with sliding attention: one mask is for layers of all kinds."""
    window = window_of(config)
    if window is not None:
        raise ValueError(
            f"packing: this LLM attends to a window of {window} positions, which packed rows would "
            "shift; leave packing out"
        )


def packed_states(llm: LanguageModel, batch: Batch, limit: int) -> Tensor:
    """Hidden states (B, T, D), equal to those of dialogues that are each in a row of its own.

    A position attends to what all dialogues share and, within its own, to what precedes it;
    position ids go on from the shared part in each of them. No row but that of a longer dialogue
    has more than `limit` positions.
    """
    shared = 0 if llm.checkpointing and torch.is_grad_enabled() else batch.shared
    embeds_BTD, prefix = batch.embeds, llm.new_cache()
    hidden_BTD = torch.zeros_like(embeds_BTD)
    if shared:
        states = llm.hidden(embeds_BTD[:1, :shared], prefix)
        hidden_BTD[:, :shared] = states.to(hidden_BTD.dtype)
    packed = PackedRows.of(batch.lengths.tolist(), limit, shared)
    embeds_RPD = packed.take(embeds_BTD)
    media = None if batch.media is None else packed.take(batch.media)
    cache = llm.new_cache(prefix, len(embeds_RPD)) if shared else None
    with llm.media_at(media, embeds_RPD):
        output = llm.decoder(
            inputs_embeds=embeds_RPD,
            cache=cache,
            use_cache=cache is not None,
            position_ids=packed.take(position_ids(batch)),
            attention_mask=block_mask(packed, batch, shared),
        )
    rows, columns = (packed.dialogue >= 0).nonzero(as_tuple=True)
    places = rows, columns, packed.dialogue[rows, columns], packed.position[rows, columns]
    row, column, dialogue, position = (place.to(embeds_BTD.device) for place in places)
    states = output.last_hidden_state[row, column]
    hidden_BTD[dialogue, position] = states.to(hidden_BTD.dtype)
    return hidden_BTD


def position_ids(batch: Batch) -> Tensor:
    """Of each dialogue by itself, (B, T)."""
    if batch.branches is not None:
        return side_positions(batch.branches)
    rows, length = batch.embeds.shape[:2]
    return torch.arange(length, device=batch.embeds.device).expand(rows, -1)


def block_mask(packed: PackedRows, batch: Batch, shared: int) -> Tensor:
    """An additive attention mask (R, 1, P, S + P); padding attends to itself and what is shared."""
    dialogue = packed.dialogue.to(batch.embeds.device)
    visible = (dialogue[:, :, None] == dialogue[:, None, :]).tril()
    if batch.branches is not None:
        branches = packed.take(batch.branches)
        query, key = branches[:, :, None], branches[:, None, :]
        visible &= (key == 0) | (key == query)
    beginning = visible.new_ones((*visible.shape[:2], shared))
    hidden = ~torch.cat([beginning, visible], dim=-1)
    mask = torch.zeros(hidden.shape, dtype=batch.embeds.dtype, device=hidden.device)
    return mask.masked_fill(hidden, torch.finfo(mask.dtype).min)[:, None]

"""Attention of several conversations to what each has read, in one pass."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from anygen.llm.kv_cache import BLOCK, Context, Key, whole_blocks
from anygen.numerics.batch_invariant import MULTIPLE, filled_up


@dataclass(frozen=True, eq=False)
class Group:
    """Contexts that read T positions each and have N then, in a pass that groups share.

    B contexts; the rows of a product are the queries of the R heads that share a key head.
    """

    contexts: Sequence[Context]
    place: slice  # their B * T positions among all of the pass
    count: int  # T
    after: Sequence[int]  # how many positions each context has then
    masks: dict[Hashable, Tensor] = field(default_factory=dict)  # that a layer has asked for

    def mask(self, heads: int, keys: Tensor, window: int | None) -> Tensor:
        """0 where queries may look at keys (B * G, N, d), -inf elsewhere: (B * G, rows, N).

        With a `window` a position sees itself and the `window` - 1 before it.
        """
        wanted = heads, len(keys), window, keys.device  # layers may be spread over devices
        if wanted not in self.masks:
            key_heads, size = len(keys) // len(self.contexts), keys.shape[1]
            count = self.count
            masks = [mask_of(end - count, count, size, keys, window) for end in self.after]
            rows = torch.stack(masks).repeat(1, heads // key_heads, 1)
            self.masks[wanted] = filled_up(rows, MULTIPLE).repeat_interleave(key_heads, 0)
        return self.masks[wanted]


Row = tuple[Context, Tensor, Sequence[Key]]  # embeddings (T, D) to read, and what they are


def grouped(rows: Sequence[Row]) -> tuple[list[Row], list[Group]]:
    """The rows in the order of their groups, and those."""
    by_shape: dict[tuple[int, int], list[Row]] = {}
    for context, embeds, keys in rows:
        shape = len(keys), whole_blocks(context.length + len(keys))
        by_shape.setdefault(shape, []).append((context, embeds, keys))
    groups, start = [], 0
    for (count, _), members in by_shape.items():
        contexts = [context for context, _, _ in members]
        end = start + count * len(members)
        after = [context.length + count for context in contexts]
        groups.append(Group(contexts, slice(start, end), count, after))
        start = end
    return [row for members in by_shape.values() for row in members], groups


def positions_of(groups: Sequence[Group], embeds: Tensor) -> Tensor:
    """Position ids of a pass; rows that only fill it up stand at 0."""
    places = [torch.arange(end - group.count, end) for group in groups for end in group.after]
    places.append(torch.zeros(len(embeds) - groups[-1].place.stop, dtype=torch.long))
    return torch.cat(places).to(embeds.device)


def mask_of(before: int, count: int, size: int, like: Tensor, window: int | None) -> Tensor:
    """What `count` positions after `before` others may look at, of `size`: (T, N)."""
    places = torch.arange(size, device=like.device)
    readers = places[before : before + count, None]
    unseen = places > readers
    if window is not None:
        unseen |= places <= readers - window
    return torch.zeros_like(unseen, dtype=like.dtype).masked_fill_(unseen, -torch.inf)


def attend(  # noqa: PLR0913  # as transformers calls it
    module: nn.Module,
    query: Tensor,  # (1, H, T of all, d)
    key: Tensor,  # (1, G, T of all, d)
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    groups: Sequence[Group],
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """The attention that transformers calls in every layer: (1, T of all, H, d)."""
    look: Any = Look(module.layer_idx, scaling, sliding_window, softcap)
    return attend_all(groups, look, query[0], key[0], value[0])[None], None


@dataclass(frozen=True)
class Look:
    """How a layer looks at what was read."""

    layer: int
    scale: float  # of the scores
    window: int | None = None  # how many positions it sees, itself among them
    cap: float | None = None  # scores stay within it, softly (Gemma 2)


def attend_all(
    groups: Sequence[Group], look: Look, query: Tensor, key: Tensor, value: Tensor
) -> Tensor:
    """query (H, T of all, d), key and value (G, T of all, d) -> (T of all, H, d)."""
    heads = []
    for group in groups:
        new = group.place
        keys, values = stored(group, look.layer, key[:, new], value[:, new])
        heads.append(attend_group(group, look, query[:, new], keys, values))
    idle = query.shape[1] - groups[-1].place.stop  # rows that fill up the pass
    if idle:
        heads.append(query.new_zeros(len(query), idle, value.shape[2]))
    return torch.cat(heads, dim=1).transpose(0, 1)


def stored(group: Group, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Stores new keys and values (G, B * T, d); all of the contexts' (B * G, N, d)."""
    new = zip(keys.split(group.count, 1), values.split(group.count, 1), strict=True)
    kept = [
        context.keep(layer, *pair, end)
        for context, pair, end in zip(group.contexts, new, group.after, strict=True)
    ]
    if len(kept) == 1:
        return kept[0]
    return torch.cat([keys for keys, _ in kept]), torch.cat([values for _, values in kept])


def attend_group(group: Group, look: Look, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """query (H, B * T, d), keys and values (B * G, N, d) -> (H, B * T, d)."""
    heads, total, width = query.shape
    contexts = len(group.contexts)
    shape = (contexts, heads, group.count, values.shape[2])
    rows = query.unflatten(1, (contexts, group.count)).transpose(0, 1)
    rows = rows.reshape(len(keys), -1, width)  # (B * G, R * T, d)
    padded = filled_up(rows, MULTIPLE)
    mask = group.mask(heads, keys, look.window)
    if look.cap is None:
        scores = torch.baddbmm(mask, padded, keys.transpose(1, 2), alpha=look.scale)
    else:
        free = torch.bmm(padded, keys.transpose(1, 2)) * look.scale
        scores = look.cap * (free / look.cap).tanh() + mask
    weights = scores.softmax(-1, dtype=torch.float32).to(values.dtype)
    made = torch.bmm(weights[..., :BLOCK], values[:, :BLOCK])
    for start in range(BLOCK, keys.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        made = torch.baddbmm(made, weights[..., block], values[:, block])
    made = made[:, : rows.shape[1]].reshape(shape).transpose(0, 1)
    return made.reshape(heads, total, -1)

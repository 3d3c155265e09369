"""Attention of several conversations in one pass, each to its own cache.

On a CPU the result of a position depends on its own conversation alone, by construction. Its query
is part of a tile with those of its TILE - 1 neighbours, whether these are read in this pass or not.
Its place in the tile follows from its position, and so does the number of blocks of keys that the
tile is multiplied with. So kernels and shapes are the same whether a position is read alone, in a
chunk or beside other conversations, before or after a crop.

Several tiles are one call of torch's fused kernel. That kernel treats every pair of tile and head
as a task of its own, whose products one thread computes; nothing in a task depends on the number
of tasks (pytorch, aten/src/ATen/native/cpu/FlashAttentionKernel.cpp).

T rows of a pass, N keys, H query heads, G key heads, R = H / G, d width of a head.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anygen.llm.kv_cache import whole_blocks
from anygen.llm.passes import Chunk, Pass
from anygen.numerics.devices import device_kind

TILE = 4  # positions


@dataclass(frozen=True)
class AttentionParams:
    """How a layer attends."""

    layer: int
    scale: float  # of the scores
    window: int | None = None  # positions that a position attends to, itself included; None: all
    softcap: float | None = None  # bound of the scores, which tanh approaches (Gemma 2)


@dataclass(frozen=True, eq=False)
class Tiles:
    """`count` tiles of `width` positions that are multiplied with the same number of keys."""

    chunk: Chunk
    start: int  # first position
    count: int
    width: int
    keys: int  # N
    masks: dict[Hashable, Tensor] = field(default_factory=dict)  # by the arguments of `mask`

    @property
    def positions(self) -> Tensor:
        """(tiles, width)."""
        return torch.arange(self.start, self.start + self.count * self.width).view(-1, self.width)

    @property
    def rows(self) -> Tensor:
        """Rows of the pass, (tiles, width); a position outside the chunk has the nearest one's."""
        chunk = self.chunk
        return self.positions.clamp(chunk.start, chunk.end - 1) - chunk.start + chunk.first

    def mask(self, queries: int, window: int | None, like: Tensor) -> Tensor:
        """What is added to scores, (tiles, 1, width * queries, N): -inf for keys to leave out.

        `queries` is the number of queries per position.
        """
        key = queries, window, like.dtype, like.device  # layers may be on several devices
        if key not in self.masks:
            keys = torch.arange(self.keys, device=like.device)
            positions = self.positions.to(like.device)[..., None, None]
            masked = (keys > positions).expand(-1, -1, queries, -1)
            if window is not None:
                masked = masked | (keys <= positions - window)
            mask = like.new_zeros(masked.shape).masked_fill_(masked, -torch.inf)
            self.masks[key] = mask.flatten(1, 2)[:, None]
        return self.masks[key]


class Attention:
    """The attention of one pass, which its layers share: it extends caches and attends to them."""

    def __init__(self, batch: Pass, device: torch.device) -> None:
        self.batch, self.device = batch, device
        split = tiles_of if device_kind(device) == "cpu" else one_tile_of
        self.tiles = [tiles for chunk in batch.chunks for tiles in split(chunk)]
        self.places: dict[Hashable, tuple[Tensor, Tensor, Sequence[int]]] = {}

    @property
    def positions(self) -> Tensor:
        """The positions of the rows of the pass, (T,); 0 for idle rows."""
        positions = torch.zeros(self.batch.length, dtype=torch.long)
        for chunk in self.batch.chunks:
            positions[chunk.rows] = torch.arange(chunk.start, chunk.end)
        return positions.to(self.device)

    def __call__(
        self, params: AttentionParams, query: Tensor, key: Tensor, value: Tensor
    ) -> Tensor:
        """query (T, H, d), key and value (T, G, d) -> (T, H, d)."""
        for chunk in self.batch.chunks:
            new = key[chunk.rows].transpose(0, 1), value[chunk.rows].transpose(0, 1)
            chunk.cache.append(params.layer, *new, chunk.end)
        heads, groups = query.shape[1], key.shape[1]
        to_tiles, from_tiles, sizes = self.places_of(heads, groups, query.device)
        queries = query.reshape(-1, query.shape[2]).index_select(0, to_tiles).split(sizes)
        attended = [
            attend(params, tiles, part.view(tiles.count, groups, -1, query.shape[2]))
            for tiles, part in zip(self.tiles, queries, strict=True)
        ]
        flat = torch.cat([part.reshape(-1, value.shape[2]) for part in attended])
        return flat.index_select(0, from_tiles).view(len(query), heads, -1)

    def places_of(
        self, heads: int, groups: int, device: torch.device
    ) -> tuple[Tensor, Tensor, Sequence[int]]:
        """Indices of the queries (T * H) that make up the tiles, (tiles * G * width * R), the
        inverse, (T * H), and the number of queries in each of `self.tiles`.
        """
        shape = heads, groups, device
        if shape not in self.places:
            each = heads // groups
            head = torch.arange(heads).view(groups, 1, each)
            parts = [
                (tiles.rows[:, None, :, None] * heads + head).flatten() for tiles in self.tiles
            ]
            to_tiles = torch.cat(parts)
            from_tiles = torch.zeros(self.batch.length * heads, dtype=torch.long)
            start = 0
            for tiles, part in zip(self.tiles, parts, strict=True):
                present = tiles.positions >= tiles.chunk.start
                present &= tiles.positions < tiles.chunk.end
                here = present[:, None, :, None].expand(-1, groups, -1, each).flatten()
                from_tiles[part[here]] = start + here.nonzero()[:, 0]
                start += len(part)
            sizes = [len(part) for part in parts]
            self.places[shape] = to_tiles.to(device), from_tiles.to(device), sizes
        return self.places[shape]


def tiles_of(chunk: Chunk) -> Iterator[Tiles]:
    """Tiles that start at multiples of TILE, each with the blocks of keys up to its own."""
    start = chunk.start - chunk.start % TILE
    while start < chunk.end:
        keys = whole_blocks(start + 1)
        count = (min(keys, chunk.end + -chunk.end % TILE) - start) // TILE
        yield Tiles(chunk, start, count, TILE, keys)
        start += count * TILE


def one_tile_of(chunk: Chunk) -> Iterator[Tiles]:
    """The whole chunk as one tile: an accelerator's last bits depend on shapes in any case."""
    yield Tiles(chunk, chunk.start, 1, chunk.end - chunk.start, whole_blocks(chunk.end))


def attend(params: AttentionParams, tiles: Tiles, query: Tensor) -> Tensor:
    """query (tiles, G, width * R, d) -> (tiles, G, width * R, d)."""
    keys, values = (x[:, : tiles.keys] for x in tiles.chunk.cache.stored[params.layer])
    mask = tiles.mask(query.shape[2] // tiles.width, params.window, query)
    if params.softcap is None and query.shape[-1] == values.shape[-1]:
        return fused(query, keys, values, mask, params.scale)
    return torch.stack([plain(params, *one, keys, values) for one in zip(query, mask)])


def fused(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Torch's kernel. It may split a single task between threads, so a single one is doubled."""
    count, groups = query.shape[:2]
    if device_kind(query.device) == "cpu" and count * groups == 1:
        return fused(query.expand(2, -1, -1, -1), keys, values, mask, scale)[:1]
    keys, values = (x.expand(count, -1, -1, -1) for x in (keys, values))
    return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=scale)


def plain(
    params: AttentionParams, query: Tensor, mask: Tensor, keys: Tensor, values: Tensor
) -> Tensor:
    """One tile (G, rows, d), with options that the fused kernel lacks."""
    scores = query @ keys.mT * params.scale
    if params.softcap is not None:
        scores = params.softcap * (scores / params.softcap).tanh()
    return (scores + mask).softmax(-1, dtype=torch.float32).to(values.dtype) @ values


def attend_for_transformers(  # noqa: PLR0913  # as transformers calls it
    module: nn.Module,
    query: Tensor,  # (1, H, T, d)
    key: Tensor,  # (1, G, T, d)
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    attention: Attention,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """The attention function that transformers calls in every layer: (1, T, H, d)."""
    layer: Any = module.layer_idx
    params = AttentionParams(layer, scaling, sliding_window, softcap)
    return attention(params, *(x[0].transpose(0, 1) for x in (query, key, value)))[None], None

"""Attention of several conversations, each to what it has read, in one pass.

On a CPU a position's bits depend on its own conversation alone, by construction. Its query stands
in a tile with those of its TILE - 1 neighbours, at the place that its position decides, present or
not, and the tile is multiplied with whole blocks of keys, as many as its positions decide. So the
kernels and the shapes are the same whether a position is read alone, in a chunk, or beside other
conversations, before or after a crop.

Several tiles are one call of torch's fused kernel. For that kernel every pair of tile and head is
a task of its own, whose products one thread computes; nothing in a task depends on how many there
are (pytorch, aten/src/ATen/native/cpu/FlashAttentionKernel.cpp).

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

TILE = 4  # positions


@dataclass(frozen=True)
class AttentionParams:
    """How a layer attends."""

    layer: int
    scale: float  # of the scores
    window: int | None = None  # positions that it sees, the last of them its own
    softcap: float | None = None  # scores stay within it, softly (Gemma 2)


@dataclass(frozen=True, eq=False)
class Tiles:
    """`count` tiles of `width` positions that see the same number of keys of their context."""

    chunk: Chunk
    start: int  # position
    count: int
    width: int
    keys: int  # N
    masks: dict[Hashable, Tensor] = field(default_factory=dict)  # that a layer has asked for

    @property
    def positions(self) -> Tensor:
        """(tiles, width)."""
        return torch.arange(self.start, self.start + self.count * self.width).view(-1, self.width)

    @property
    def rows(self) -> Tensor:
        """Of the pass, (tiles, width). Where a position is not in the chunk, its nearest is."""
        chunk = self.chunk
        return self.positions.clamp(chunk.start, chunk.end - 1) - chunk.start + chunk.first

    def mask(self, queries: int, window: int | None, like: Tensor) -> Tensor:
        """0 where `queries` per position may look, -inf elsewhere: (tiles, 1, queries, N)."""
        wanted = queries, window, like.dtype, like.device  # layers may be spread over devices
        if wanted not in self.masks:
            keys = torch.arange(self.keys, device=like.device)
            positions = self.positions.to(like.device)[..., None, None]
            unseen = (keys > positions).expand(-1, -1, queries, -1)
            if window is not None:
                unseen = unseen | (keys <= positions - window)
            mask = like.new_zeros(unseen.shape).masked_fill_(unseen, -torch.inf)
            self.masks[wanted] = mask.flatten(1, 2)[:, None]
        return self.masks[wanted]


class Attention:
    """Of all layers in one pass."""

    def __init__(self, reading: Pass, device: torch.device) -> None:
        self.reading, self.device = reading, device
        tiled = tiles_of if device.type == "cpu" else one_tile_of
        self.tiles = [tiles for chunk in reading.chunks for tiles in tiled(chunk)]
        self.places: dict[Hashable, tuple[Tensor, Tensor, Sequence[int]]] = {}

    @property
    def positions(self) -> Tensor:
        """Of the rows of the pass, (T,); idle ones stand at 0."""
        positions = torch.zeros(self.reading.length, dtype=torch.long)
        for chunk in self.reading.chunks:
            positions[chunk.rows] = torch.arange(chunk.start, chunk.end)
        return positions.to(self.device)

    def __call__(
        self, params: AttentionParams, query: Tensor, key: Tensor, value: Tensor
    ) -> Tensor:
        """query (T, H, d), key and value (T, G, d) -> (T, H, d)."""
        for chunk in self.reading.chunks:
            new = key[chunk.rows].transpose(0, 1), value[chunk.rows].transpose(0, 1)
            chunk.context.append(params.layer, *new, chunk.end)
        heads, groups = query.shape[1], key.shape[1]
        taken, put, sizes = self.places_of(heads, groups, query.device)
        queries = query.reshape(-1, query.shape[2]).index_select(0, taken).split(sizes)
        made = [
            attend(params, tiles, part.view(tiles.count, groups, -1, query.shape[2]))
            for tiles, part in zip(self.tiles, queries, strict=True)
        ]
        flat = torch.cat([part.reshape(-1, value.shape[2]) for part in made])
        return flat.index_select(0, put).view(len(query), heads, -1)

    def places_of(
        self, heads: int, groups: int, device: torch.device
    ) -> tuple[Tensor, Tensor, Sequence[int]]:
        """Which of the queries (T * H) stand in the tiles, (tiles * G * width * R), where each
        row's heads stand there, (T * H), and how many each of `self.tiles` has."""
        wanted = heads, groups, device
        if wanted not in self.places:
            each = heads // groups
            head = torch.arange(heads).view(groups, 1, each)
            parts = [
                (tiles.rows[:, None, :, None] * heads + head).flatten() for tiles in self.tiles
            ]
            taken = torch.cat(parts)
            put = torch.zeros(self.reading.length * heads, dtype=torch.long)
            start = 0
            for tiles, part in zip(self.tiles, parts, strict=True):
                present = tiles.positions >= tiles.chunk.start
                present &= tiles.positions < tiles.chunk.end
                here = present[:, None, :, None].expand(-1, groups, -1, each).flatten()
                put[part[here]] = start + here.nonzero()[:, 0]
                start += len(part)
            sizes = [len(part) for part in parts]
            self.places[wanted] = taken.to(device), put.to(device), sizes
        return self.places[wanted]


def tiles_of(chunk: Chunk) -> Iterator[Tiles]:
    """Every position at its place in its tile, every tile with the blocks up to its own."""
    start = chunk.start - chunk.start % TILE
    while start < chunk.end:
        keys = whole_blocks(start + 1)
        count = (min(keys, chunk.end + -chunk.end % TILE) - start) // TILE
        yield Tiles(chunk, start, count, TILE, keys)
        start += count * TILE


def one_tile_of(chunk: Chunk) -> Iterator[Tiles]:
    """The whole chunk: an accelerator's last bits depend on the shapes that it is given."""
    yield Tiles(chunk, chunk.start, 1, chunk.end - chunk.start, whole_blocks(chunk.end))


def attend(params: AttentionParams, tiles: Tiles, query: Tensor) -> Tensor:
    """query (tiles, G, width * R, d) -> (tiles, G, width * R, d)."""
    keys, values = (x[:, : tiles.keys] for x in tiles.chunk.context.stored[params.layer])
    mask = tiles.mask(query.shape[2] // tiles.width, params.window, query)
    if params.softcap is None and query.shape[-1] == values.shape[-1]:
        return fused(query, keys, values, mask, params.scale)
    return torch.stack([plain(params, *one, keys, values) for one in zip(query, mask)])


def fused(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, scale: float) -> Tensor:
    """A task that is alone might be shared between threads: then it gets company."""
    count, groups = query.shape[:2]
    if query.device.type == "cpu" and count * groups == 1:
        return fused(query.expand(2, -1, -1, -1), keys, values, mask, scale)[:1]
    keys, values = (x.expand(count, -1, -1, -1) for x in (keys, values))
    return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=scale)


def plain(
    params: AttentionParams, query: Tensor, mask: Tensor, keys: Tensor, values: Tensor
) -> Tensor:
    """One tile (G, rows, d), with what the fused kernel does not know."""
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
    """The attention that transformers calls in every layer: (1, T, H, d)."""
    layer: Any = module.layer_idx
    params = AttentionParams(layer, scaling, sliding_window, softcap)
    return attention(params, *(x[0].transpose(0, 1) for x in (query, key, value)))[None], None

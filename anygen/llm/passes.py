"""Distributes the positions that several conversations read over forward passes.

If all linear layers are `Fp16Linear`, a row of a pass does not depend on the others, and one pass
reads everything. Any other kernel of a CPU may depend on the number of rows and on the place of a
row among them. Then every pass has LANES rows, and position p is row p mod LANES of its pass: it
meets the same kernels, on the same shapes, at the same place, whatever is read beside it.

T new positions, D width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from anygen.llm.kv_cache import Key, KVCache

LANES = 6  # rows of a pass: enough for Fp16Linear's kernels, few of them idle while one decodes

# A cache, the embeddings (T, D) to append to it, and the keys of their positions.
CacheInput = tuple[KVCache, torch.Tensor, Sequence[Key]]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive new positions of one conversation in a pass."""

    index: int  # of the conversation, among the inputs of `LanguageModel.read`
    cache: KVCache
    start: int  # first position
    end: int  # last position + 1
    first: int  # row of the first position in the pass

    @property
    def rows(self) -> slice:
        """The rows of these positions in the pass."""
        return slice(self.first, self.first + self.end - self.start)

    @property
    def part(self) -> slice:
        """The place of these positions among the new ones of their conversation."""
        cached = self.cache.length
        return slice(self.start - cached, self.end - cached)


@dataclass(frozen=True, eq=False)
class Pass:
    chunks: Sequence[Chunk]
    length: int  # rows; those without a chunk are idle


def one_pass(inputs: Sequence[CacheInput], multiple: int) -> list[Pass]:
    """All positions, one conversation after the other, with idle rows up to a multiple."""
    chunks, first = [], 0
    for index, (cache, _, keys) in enumerate(inputs):
        chunks.append(Chunk(index, cache, cache.length, cache.length + len(keys), first))
        first += len(keys)
    return [Pass(chunks, first + -first % multiple)]


def passes_of_lanes(inputs: Sequence[CacheInput]) -> list[Pass]:
    """Passes of LANES rows; each chunk goes into the earliest pass with free lanes for it."""
    passes: list[list[Chunk]] = []
    used_lanes: list[set[int]] = []  # of each pass
    for index, (cache, _, keys) in enumerate(inputs):
        earliest = 0
        for start, end in pieces(cache.length, cache.length + len(keys)):
            lane = start % LANES
            lanes = set(range(lane, lane + end - start))
            fitting = (i for i in range(earliest, len(passes)) if not used_lanes[i] & lanes)
            earliest = next(fitting, len(passes))
            if earliest == len(passes):
                passes.append([])
                used_lanes.append(set())
            passes[earliest].append(Chunk(index, cache, start, end, lane))
            used_lanes[earliest] |= lanes
    return [Pass(chunks, LANES) for chunks in passes]


def pieces(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The positions from `start` to `end`, split at multiples of LANES."""
    while start < end:
        stop = min(end, start - start % LANES + LANES)
        yield start, stop
        start = stop

"""How the positions that several conversations read are laid into forward passes.

With linear layers of `Fp16Linear` a row of a pass does not depend on the others, so one pass reads
everything. Any other kernel of a CPU may depend on how many rows there are, and on where a row
stands among them. Then every pass has LANES rows, and a position p stands in row p mod LANES:
whatever is read beside it, it meets the same kernels, on the same shapes, at the same place.

T positions to read, D width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from anygen.llm.kv_cache import Key, KVCache

LANES = 6  # rows of a pass: as many fill Fp16Linear's kernels, and few are idle while one decodes

Row = tuple[KVCache, torch.Tensor, Sequence[Key]]  # embeddings (T, D) to read, and what they are


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive new positions of one conversation in a pass."""

    row: int  # whose they are, among those that `read` is given
    context: KVCache
    start: int  # the first of them
    end: int  # positions that the context has then
    first: int  # of its rows in the pass

    @property
    def rows(self) -> slice:
        """In the pass."""
        return slice(self.first, self.first + self.end - self.start)

    @property
    def part(self) -> slice:
        """Of what its context is about to read."""
        before = self.context.length
        return slice(self.start - before, self.end - before)


@dataclass(frozen=True, eq=False)
class Pass:
    chunks: Sequence[Chunk]
    length: int  # rows; those that are in no chunk are idle


def one_pass(rows: Sequence[Row], multiple: int) -> list[Pass]:
    """All positions, one conversation after the other; idle rows at the end make a multiple."""
    chunks, first = [], 0
    for row, (context, _, keys) in enumerate(rows):
        chunks.append(Chunk(row, context, context.length, context.length + len(keys), first))
        first += len(keys)
    return [Pass(chunks, first + -first % multiple)]


def passes_of_lanes(rows: Sequence[Row]) -> list[Pass]:
    """As few passes of LANES rows as it takes to go through the conversations in order."""
    passes: list[list[Chunk]] = []
    taken: list[set[int]] = []
    for row, (context, _, keys) in enumerate(rows):
        earliest = 0
        for start, end in pieces(context.length, context.length + len(keys)):
            lane = start % LANES
            lanes = set(range(lane, lane + end - start))
            fitting = (i for i in range(earliest, len(passes)) if not taken[i] & lanes)
            earliest = next(fitting, len(passes))
            if earliest == len(passes):
                passes.append([])
                taken.append(set())
            passes[earliest].append(Chunk(row, context, start, end, lane))
            taken[earliest] |= lanes
    return [Pass(chunks, LANES) for chunks in passes]


def pieces(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Positions from `start` to `end`, cut at the multiples of LANES."""
    while start < end:
        stop = min(end, start - start % LANES + LANES)
        yield start, stop
        start = stop

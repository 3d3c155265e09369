"""What the LLM has read of one conversation: keys and values, kept for as long as it may go on.

A position's keys and values are the same bits in whatever pieces the conversation is read, and
beside whatever others (see passes.py and attention.py). So a cache can be cropped and go on, and
nothing that is made depends on it.

T new positions, G key heads, d width of a head (values may have another).
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence

from torch import Tensor

BLOCK = 128  # positions: the keys and values of a context fill whole blocks
MAX_IDLE = 8  # conversations
Key = Hashable  # what stands at a position: a token's id, or a medium's digest and a number


def is_medium(key: Key) -> bool:
    """Whether a medium stands at a position, its mark included; ids of tokens are numbers."""
    return isinstance(key, tuple)


class KVCache:
    """Keys and values (G, capacity, d) per layer; `positions` says what was read."""

    def __init__(self) -> None:
        self.positions: list[Key] = []
        self.stored: list[tuple[Tensor, Tensor]] = []  # keys and values of each layer
        self.last: Tensor | None = None  # the hidden state (D,) of the last position

    @property
    def length(self) -> int:
        return len(self.positions)

    def crop(self, length: int) -> None:
        """Forget what was read after the first `length` positions.

        It is wiped out: what is not finite would count even where a mask hides it.
        """
        if length < self.length:
            for stored in itertools.chain(*self.stored):
                stored[:, length : self.length] = 0
            del self.positions[length:]
            self.last = None

    def copy(self, length: int) -> KVCache:
        """Another context that has read the first `length` positions."""
        other, size = KVCache(), whole_blocks(length)
        other.positions = self.positions[:size]
        other.stored = [(k[:, :size].clone(), v[:, :size].clone()) for k, v in self.stored]
        other.crop(length)
        return other

    def common_prefix(self, keys: Sequence[Key]) -> int:
        """How many of `keys` this context has read already, from the first on."""
        for index, (mine, wanted) in enumerate(zip(self.positions, keys)):
            if mine != wanted:
                return index
        return min(self.length, len(keys))

    def append(self, layer: int, keys: Tensor, values: Tensor, end: int) -> None:
        """Stores new keys and values (G, T, d) up to position `end`."""
        if layer == len(self.stored):
            self.stored.append((empty_like(keys, 0), empty_like(values, 0)))
        size = whole_blocks(end)
        if self.stored[layer][0].shape[1] < size:
            self.stored[layer] = (
                enlarged(self.stored[layer][0], size),
                enlarged(self.stored[layer][1], size),
            )
        stored_keys, stored_values = self.stored[layer]
        start = end - keys.shape[1]
        stored_keys[:, start:end], stored_values[:, start:end] = keys, values


def whole_blocks(length: int) -> int:
    return length + -length % BLOCK


def empty_like(tensor: Tensor, size: int) -> Tensor:
    return tensor.new_zeros(tensor.shape[0], size, tensor.shape[2])


def enlarged(stored: Tensor, size: int) -> Tensor:
    """Room for `size` positions, and for as many again as are there: growing stays rare."""
    larger = empty_like(stored, max(size, 2 * stored.shape[1]))
    larger[:, : stored.shape[1]] = stored
    return larger


class KVCachePool:
    """KVCachePool of conversations that may go on; those that were used last are kept.

    Beside the very last they have at most `most` positions together, for a conversation that
    forgets its beginning goes on in another context, and would leave one of full length each time.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.idle: list[KVCache] = []

    def acquire(self, keys: Sequence[Key]) -> KVCache:
        """One that has read the beginning of `keys`, or a new one. Nobody else has it meanwhile.

        Where another conversation begins alike, as with a system prompt, it keeps its own.
        """
        best = max(self.idle, key=lambda context: context.common_prefix(keys), default=KVCache())
        shared = best.common_prefix(keys)
        if 2 * shared < best.length:
            return best.copy(shared)
        if best in self.idle:
            self.idle.remove(best)
        return best

    def release(self, context: KVCache) -> None:
        if context.length:
            self.idle = [*self.idle, context][-MAX_IDLE:]
        while sum(context.length for context in self.idle[:-1]) > self.most:
            del self.idle[0]

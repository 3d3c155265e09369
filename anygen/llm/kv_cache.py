"""Keys and values of what the LLM has read of a conversation, kept while it may continue.

A position has the same keys and values, bit for bit, in whatever pieces the conversation is read
and whatever is read beside it (see passes.py and attention.py). So a cache can be cropped and
extended without an effect on answers.

T new positions, G key heads, d width of a head (that of values may differ).
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from torch import Tensor

BLOCK = 128  # positions: keys and values are stored in whole blocks
MAX_IDLE = 32  # caches: two of a conversation that the base LLM and the media expert have read
Key = Hashable  # identifies a position: the id of its token, or the hash of its medium and an index


@dataclass(frozen=True, slots=True)
class Adapted:
    """The key of a position that the media expert has read, where the base LLM reads, too."""

    key: Key


def is_medium(key: Key) -> bool:
    """Whether a position belongs to a medium or its marks; ids of tokens are numbers."""
    return isinstance(key.key if isinstance(key, Adapted) else key, tuple)


class KVCache:
    """Keys and values (G, capacity, d) per layer, and the keys of the positions that were read."""

    def __init__(self) -> None:
        self.positions: list[Key] = []
        self.stored: list[tuple[Tensor, Tensor]] = []  # keys and values of each layer
        self.last: Tensor | None = None  # the hidden state (D,) of the last position
        self.middle: Tensor | None = None  # that after the layers before the router

    @property
    def length(self) -> int:
        return len(self.positions)

    def crop(self, length: int) -> None:
        """Forgets all but the first `length` positions.

        What they stored becomes zero: infinities would spread even from positions that are masked.
        """
        if length < self.length:
            for stored in itertools.chain(*self.stored):
                stored[:, length : self.length] = 0
            del self.positions[length:]
            self.last = self.middle = None

    def copy(self, length: int) -> KVCache:
        """Another cache, of the first `length` positions."""
        other, size = KVCache(), whole_blocks(length)
        other.positions = self.positions[:size]
        other.stored = [(k[:, :size].clone(), v[:, :size].clone()) for k, v in self.stored]
        other.crop(length)
        return other

    def common_prefix(self, keys: Sequence[Key]) -> int:
        """The number of leading `keys` that this cache holds."""
        return common_prefix(self.positions, keys)

    def append(self, layer: int, keys: Tensor, values: Tensor, end: int) -> None:
        """Stores new keys and values (G, T, d), of the T positions before `end`."""
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


def common_prefix(first: Sequence[Key], second: Sequence[Key]) -> int:
    """The number of leading keys that two sequences share."""
    for index, (one, other) in enumerate(zip(first, second)):
        if one != other:
            return index
    return min(len(first), len(second))


def whole_blocks(length: int) -> int:
    return length + -length % BLOCK


def empty_like(tensor: Tensor, size: int) -> Tensor:
    return tensor.new_zeros(tensor.shape[0], size, tensor.shape[2])


def enlarged(stored: Tensor, size: int) -> Tensor:
    """A copy with room for `size` positions, and at least twice as many as before."""
    larger = empty_like(stored, max(size, 2 * stored.shape[1]))
    larger[:, : stored.shape[1]] = stored
    return larger


class KVCachePool:
    """The caches of conversations that may continue; the most recently used ones are kept.

    All but the last together have room for at most `max_positions`, in whole blocks: a conversation
    that forgets its beginning continues in another cache, and would leave one of full length behind
    each time.
    """

    def __init__(self, max_positions: int) -> None:
        self.max_positions = max_positions
        self.idle: list[KVCache] = []
        self.in_use: list[KVCache] = []

    def acquire(self, keys: Sequence[Key]) -> KVCache:
        """The cache that holds most of the beginning of `keys`, or a new one, until `release`.

        The result is a copy of the common beginning if the cache is in use, or if less than half of
        it would be used, as when conversations have only the system prompt in common.
        """
        known = [*self.idle, *self.in_use]
        cache = max(known, key=lambda cache: cache.common_prefix(keys), default=KVCache())
        prefix = cache.common_prefix(keys)
        if cache in self.in_use or 2 * prefix < cache.length:
            cache = cache.copy(prefix)
        elif cache in self.idle:
            self.idle.remove(cache)
        self.in_use.append(cache)
        return cache

    def release(self, cache: KVCache) -> None:
        self.in_use = [other for other in self.in_use if other is not cache]
        if cache.length:
            self.idle = [*self.idle, cache][-MAX_IDLE:]
        room = whole_blocks(self.max_positions)
        while sum(whole_blocks(cache.length) for cache in self.idle[:-1]) > room:
            del self.idle[0]

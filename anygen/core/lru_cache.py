"""A cache that drops the least recently used value when it is full."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class LRUCache(Generic[Key, Value]):
    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of a key; `make` computes it if it is not in the cache."""
        if key not in self.values:
            self.values[key] = make()
        self.values.move_to_end(key)
        while len(self.values) > self.max_size:
            self.values.popitem(last=False)
        return self.values[key]

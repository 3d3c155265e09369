"""Which row of which source a run reads when: pure functions of a seed and a number.

Any row of any step is known at once, so a resumed run need not replay the ones before it, and the
number of workers changes nothing.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

ROUNDS = 4  # of a Feistel network: enough for it to look random (Luby and Rackoff 1988)
PERIOD = 1000  # rows in which every source gets its exact share


def permuted(index: int, count: int, key: str) -> int:
    """The image of `index` under a permutation of range(count) that `key` chooses.

    A Feistel network permutes the numbers of an even number of bits; images outside the range are
    permuted again until they are inside ("cycle walking", Black and Rogaway 2002).
    """
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = index >> half, index & mask
        for number in range(ROUNDS):
            data = f"{key}/{number}/{right}".encode()
            scrambled = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
            left, right = right, left ^ (scrambled & mask)
        index = left << half | right
        if index < count:
            return index


@dataclass(frozen=True)
class Visit:
    """The `number`-th time that a run turns to a source."""

    source: int
    number: int


@dataclass(frozen=True)
class Schedule:
    """Deals the rows of a run to sources in a random order, in exact shares in every period."""

    shares: tuple[float, ...]
    key: str

    def visit(self, row: int) -> Visit:
        """The source of the run's row of this number, counted over all steps."""
        period, place = divmod(row, PERIOD)
        return deal(self.shares, self.key, period)[place]


@lru_cache(maxsize=8)
def deal(shares: tuple[float, ...], key: str, period: int) -> list[Visit]:
    """The visits of one period. All periods have equally many of a source, so none is counted."""
    counts = apportioned(shares, PERIOD)
    sources = [source for source, count in enumerate(counts) for _ in range(count)]
    random.Random(f"{key}/sources/{period}").shuffle(sources)
    numbers = [period * count for count in counts]
    visits = []
    for source in sources:
        visits.append(Visit(source, numbers[source]))
        numbers[source] += 1
    return visits


def apportioned(shares: Sequence[float], total: int) -> list[int]:
    """Whole numbers of sum `total` in these shares, by largest remainders.

    Each is at least 1 but for shares of 0.
    """
    least = [int(share > 0) for share in shares]
    rest = total - sum(least)
    exact = [rest * share / sum(shares) for share in shares]
    counts = [int(value) for value in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: counts[i] - exact[i])
    for index in by_remainder[: rest - sum(counts)]:
        counts[index] += 1
    return [one + count for one, count in zip(least, counts)]

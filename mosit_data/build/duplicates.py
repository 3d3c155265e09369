"""Drops dialogues whose words are nearly those of an earlier one.

MinHash (Broder 1997) over the word 5-grams of a dialogue: two signatures agree in a share of their
places that estimates the Jaccard similarity of the 5-grams. Bands of eight places find candidates;
with 16 of them, pairs of a similarity of (1/16)^(1/8) = 0.71 are found half of the time, and nearly
all pairs above 0.8.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np

from anygen.core.records import MediaContent, Record, TextContent
from anygen.core.text import to_json

WORDS = 5
BANDS, PLACES = 16, 8
THRESHOLD = 0.7
PRIME = (1 << 61) - 1
RNG = np.random.default_rng(0)
FACTORS = RNG.integers(1, 1 << 31, BANDS * PLACES, dtype=np.uint64)
SHIFTS = RNG.integers(0, 1 << 61, BANDS * PLACES, dtype=np.uint64)


class Duplicates:
    """Remembers the dialogues that were kept."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}  # bands with their number
        self._signatures: dict[str, np.ndarray] = {}

    def find_or_add(self, record: Record) -> str | None:
        """The id of an earlier dialogue that this one repeats; if there is none, it is kept."""
        signature = signature_of(words_of(record))
        bands = [
            bytes([number]) + band.tobytes()
            for number, band in enumerate(signature.reshape(BANDS, PLACES))
        ]
        for name in dict.fromkeys(self._names[band] for band in bands if band in self._names):
            if float(np.mean(self._signatures[name] == signature)) >= THRESHOLD:
                return name
        self._signatures[record.id] = signature
        for band in bands:
            self._names.setdefault(band, record.id)
        return None


def words_of(record: Record) -> list[str]:
    """All words in lower case, with captions, and names of media that have none.

    The same words about another picture are another dialogue.
    """
    parts = (part for message in record.messages for part in message.content)
    texts = (p.text if isinstance(p, TextContent) else p.caption or name_of(p) for p in parts)
    return re.findall(r"\w+", " ".join(texts).lower())


def name_of(medium: MediaContent) -> str:
    return hashlib.sha256(to_json([medium.path, medium.scene]).encode()).hexdigest()


def signature_of(words: list[str]) -> np.ndarray:
    """The least hash of the 5-grams under each of 128 hash functions, (128,) uint64."""
    grams = {" ".join(words[i : i + WORDS]) for i in range(max(1, len(words) - WORDS + 1))}
    digests = [hashlib.blake2b(gram.encode(), digest_size=4).digest() for gram in grams]
    hashes_N = np.array([int.from_bytes(d, "big") for d in digests], dtype=np.uint64)
    return ((hashes_N[:, None] * FACTORS + SHIFTS) % np.uint64(PRIME)).min(axis=0)

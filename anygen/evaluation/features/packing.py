"""Points as text, for the lines of outcomes.jsonl."""

import base64
from collections.abc import Sequence

import numpy as np


def packed(vector: np.ndarray) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def unpacked(texts: Sequence[str]) -> np.ndarray:
    """(N, R)."""
    return np.stack([np.frombuffer(base64.b64decode(text), "<f4") for text in texts])

"""Figures: proportions with their uncertainty, and how likely a text is to a language model."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

Z95 = 1.959964  # the 97.5 % quantile of the standard normal distribution


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson 1927), as shares; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share, spread = hits / trials, Z95**2 / trials
    middle = share + spread / 2
    margin = Z95 * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    low, high = (middle - margin) / (1 + spread), (middle + margin) / (1 + spread)
    return max(0.0, low), min(1.0, high)


def overlap(made: Iterable[str], wanted: Iterable[str]) -> int:
    """How many of `made` were wanted, each as often as it was."""
    return (Counter(made) & Counter(wanted)).total()


def first_named(text: str, words: dict[str, str]) -> str | None:
    """What a text names first; `words` maps what may be said to what it means.

    Of words that begin at the same place the longest counts: "electric guitar" is no guitar, and
    a word inside a longer one, like the car of a carrot, is not said.
    """
    said = text.lower()
    found = [(place, -len(word), word) for word in words for place in places(word.lower(), said)]
    return words[min(found)[2]] if found else None


def places(word: str, text: str) -> list[int]:
    """Where `word` stands alone in `text`."""
    starts = [i for i in range(len(text) - len(word) + 1) if text.startswith(word, i)]
    return [i for i in starts if not is_letter(text, i - 1) and not is_letter(text, i + len(word))]


def is_letter(text: str, place: int) -> bool:
    return 0 <= place < len(text) and text[place].isalpha()


@torch.inference_mode()
def log_likelihood(language_model: Any, prompt: Sequence[int], answer: Sequence[int]) -> float:
    """The sum over the answer's tokens of the log of their probability, in nats.

    `language_model` is a causal LM of transformers.
    """
    ids = torch.tensor([[*prompt, *answer]])
    logits: Tensor = language_model(ids).logits[0, len(prompt) - 1 : -1].float()
    chosen = torch.tensor(answer)[:, None]
    return float(logits.log_softmax(-1).gather(1, chosen).sum())

"""Figures: proportions with their uncertainty, words in texts, and likelihoods of texts.

The statistics are a few lines each and agree with scipy.stats, which the tests compare them with;
scipy itself would be a dependency of 100 MB.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from transformers import PreTrainedModel

Z95 = 1.959964  # the 97.5 % quantile of the standard normal distribution
DRAWS = 1000  # of a bootstrap
WORDS = re.compile(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+")  # a Chinese character is a word
REPEATS = 4  # how often a sequence of four words may occur in one text
DISTINCT = 0.5  # the least share of distinct pairs of words in a text that was cut


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson 1927), as shares; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share, weight = hits / trials, Z95**2 / trials
    middle = share + weight / 2
    margin = Z95 * math.sqrt(share * (1 - share) / trials + weight / (4 * trials))
    low, high = (middle - margin) / (1 + weight), (middle + margin) / (1 + weight)
    return max(0.0, low), min(1.0, high)


def mcnemar(lost: int, gained: int) -> float:
    """The two-sided p-value of McNemar's exact test; 1 if nothing changed.

    `lost` and `gained` are the cases that only the first and only the second has right: without a
    difference each falls on either side with probability 1/2 (McNemar 1947, Psychometrika 12:153;
    the binomial form: Agresti, Categorical Data Analysis, section on matched pairs).
    """
    changed = lost + gained
    tail = sum(math.comb(changed, k) for k in range(min(lost, gained) + 1))
    return min(1.0, 2 * tail / 2**changed)


def holm(values: Sequence[float]) -> list[float]:
    """p-values of several tests, corrected for their number (Holm 1979, Scand. J. Stat. 6:65)."""
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected = [0.0] * len(values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[place]))
        corrected[place] = largest
    return corrected


def paired_interval(lost: int, gained: int, cases: int) -> tuple[float, float]:
    """The 95 % interval of the second share minus the first, of the same cases.

    Wald's interval, with half a case added to each of the four cells of the paired table (Agresti
    and Min 2005, Statistics in Medicine 24:729).
    """
    total, change = cases + 2, gained - lost
    margin = Z95 * math.sqrt(lost + gained + 1 - change**2 / total) / total
    return max(-1.0, change / total - margin), min(1.0, change / total + margin)


def bootstrap_interval(
    figure: Callable[[Sequence[int]], float | None], cases: int
) -> tuple[float, float]:
    """The 95 % interval of a figure that is computed from the cases at given indices.

    Percentiles over DRAWS draws of as many cases with replacement (Efron 1979, Annals of
    Statistics 7:1); draws without a figure do not count. The seed is fixed.
    """
    rng = random.Random(0)
    draws = [figure(rng.choices(range(cases), k=cases)) for _ in range(DRAWS)]
    values = sorted(value for value in draws if value is not None)
    return values[round(0.025 * (len(values) - 1))], values[round(0.975 * (len(values) - 1))]


def overlap(first: Iterable[str], second: Iterable[str]) -> int:
    """The size of the intersection of two multisets."""
    return (Counter(first) & Counter(second)).total()


def is_looping(text: str, was_cut: bool) -> bool:
    """Whether a text repeats itself: four words in a row occur more than REPEATS times.

    Or, where it was cut at the limit, fewer than DISTINCT of its pairs of words are distinct.
    """
    words = WORDS.findall(text.lower())
    fours = Counter(zip(words, words[1:], words[2:], words[3:]))
    pairs = list(pairwise(words))
    few = len(set(pairs)) < DISTINCT * len(pairs)
    return max(fours.values(), default=0) > REPEATS or (was_cut and few)


def first_named(text: str, words: dict[str, str]) -> str | None:
    """What a text names first, if anything; `words` maps words to what they name.

    Of words that begin at the same place the longest counts, so "electric guitar" does not name a
    guitar. Parts of words do not count: "carrot" does not name a car.
    """
    text = text.lower()
    found = [(place, -len(word), word) for word in words for place in places(word.lower(), text)]
    return words[min(found)[2]] if found else None


def places(word: str, text: str) -> list[int]:
    """The positions at which `word` stands alone in `text`."""
    starts = [i for i in range(len(text) - len(word) + 1) if text.startswith(word, i)]
    return [i for i in starts if not is_letter(text, i - 1) and not is_letter(text, i + len(word))]


def is_letter(text: str, place: int) -> bool:
    return 0 <= place < len(text) and text[place].isalpha()


@torch.inference_mode()
def log_likelihood(
    language_model: PreTrainedModel, prompt: Sequence[int], answer: Sequence[int]
) -> float:
    """The summed log-likelihood of the answer's tokens, in nats, under a causal LM."""
    ids = torch.tensor([[*prompt, *answer]])
    logits: Tensor = language_model(ids).logits[0, len(prompt) - 1 : -1].float()
    chosen = torch.tensor(answer)[:, None]
    return float(logits.log_softmax(-1).gather(1, chosen).sum())

"""How close texts are to references: CIDEr-D, BLEU and ROUGE-L, as pycocoevalcap computes them.

A text is a sequence of tokens; a pair is a text and its references.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

Tokens = Sequence[str]
Pair = tuple[Tokens, Sequence[Tokens]]
Grams = Counter[tuple[str, ...]]

LONGEST = 4  # n-grams
WORD = re.compile(r"[\w']+")
SIGMA = 6.0  # of CIDEr-D's penalty on lengths
BETA = 1.2  # of ROUGE-L's F measure
TINY, SMALL = 1e-15, 1e-9  # against zeros in BLEU


def tokenized(text: str) -> list[str]:
    """Lower-case words without punctuation."""
    return WORD.findall(text.lower())


def grams(tokens: Tokens, order: int) -> Grams:
    return Counter(zip(*(tokens[place:] for place in range(order))))


def cider_d(pairs: Sequence[Pair]) -> list[float]:
    """CIDEr-D of each text (Vedantam et al. 2015, arXiv:1411.5726).

    The document frequencies are those of all references, so a score depends on the other pairs: of
    one pair alone it is 0.
    """
    frequency: Grams = Counter()
    for _, references in pairs:
        frequency.update({gram for tokens in references for gram in all_grams(tokens)})
    documents = math.log(max(1, len(pairs)))

    def weighted(tokens: Tokens) -> list[dict[tuple[str, ...], float]]:
        return [
            {
                gram: count * (documents - math.log(max(1, frequency[gram])))
                for gram, count in grams(tokens, order).items()
            }
            for order in range(1, LONGEST + 1)
        ]

    scores = []
    for tokens, references in pairs:
        own = weighted(tokens)
        similar = [
            sum(map(clipped_cosine, own, weighted(reference)))
            / LONGEST
            * math.exp(-((bigrams(tokens) - bigrams(reference)) ** 2) / (2 * SIGMA**2))
            for reference in references
        ]
        scores.append(10 * sum(similar) / len(similar))
    return scores


def all_grams(tokens: Tokens) -> Iterator[tuple[str, ...]]:
    for order in range(1, LONGEST + 1):
        yield from grams(tokens, order)


def bigrams(tokens: Tokens) -> int:
    return max(0, len(tokens) - 1)


def clipped_cosine(
    text: dict[tuple[str, ...], float], reference: dict[tuple[str, ...], float]
) -> float:
    shared = sum(
        min(value, reference[gram]) * reference[gram]
        for gram, value in text.items()
        if gram in reference
    )
    norms = math.hypot(*text.values()) * math.hypot(*reference.values())
    return shared / norms if norms else 0.0


def bleu_counts(pairs: Sequence[Pair]) -> Sequence[np.ndarray]:
    """For each text: its length, the reference's, then n-grams and those that agree, n = 1 to 4.

    The reference's length is the closest; of a single text it is the mean.
    """
    rows = []
    for tokens, references in pairs:
        lengths = [len(reference) for reference in references]
        closest = min(lengths, key=lambda length: (abs(length - len(tokens)), length))
        length = closest if len(pairs) > 1 else sum(lengths) / len(lengths)
        guesses = [max(0, len(tokens) - order + 1) for order in range(1, LONGEST + 1)]
        agree = [agreeing(tokens, references, order) for order in range(1, LONGEST + 1)]
        rows.append(np.array([len(tokens), length, *guesses, *agree], dtype=float))
    return rows


def agreeing(tokens: Tokens, references: Sequence[Tokens], order: int) -> int:
    """The n-grams of a text that references have, each as often as the one with most of it."""
    most: Grams = Counter()
    for reference in references:
        most |= grams(reference, order)
    return (grams(tokens, order) & most).total()


def bleu(order: int, counts: Sequence[np.ndarray]) -> float:
    """Corpus BLEU up to n-grams of this order (Papineni et al. 2002), in percent."""
    length, expected, *rest = np.sum(counts, axis=0).tolist()
    guesses, agree = rest[:order], rest[LONGEST : LONGEST + order]
    logs = [math.log((a + TINY) / (g + SMALL)) for g, a in zip(guesses, agree)]
    ratio = (length + TINY) / (expected + SMALL)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    return 100 * penalty * math.exp(sum(logs) / order)


def rouge_l(pairs: Sequence[Pair]) -> list[float]:
    """ROUGE-L of each text (Lin 2004); precision and recall are the best of any reference's."""
    return [rouge(tokens, references) for tokens, references in pairs]


def rouge(tokens: Tokens, references: Sequence[Tokens]) -> float:
    shared = [common_subsequence(tokens, reference) for reference in references]
    precision = max(length / max(1, len(tokens)) for length in shared)
    recall = max(length / max(1, len(ref)) for length, ref in zip(shared, references))
    weighted = recall + BETA**2 * precision
    return (1 + BETA**2) * precision * recall / weighted if weighted else 0.0


def common_subsequence(first: Tokens, second: Tokens) -> int:
    """The length of the longest one."""
    row = [0] * (len(second) + 1)
    for token in first:
        corner = 0
        for place, other in enumerate(second, start=1):
            above = row[place]
            row[place] = corner + 1 if token == other else max(above, row[place - 1])
            corner = above
    return row[-1]


def mean_percent(scores: Sequence[float]) -> float:
    return 100 * sum(scores) / len(scores)

"""What answers to ReForm-Eval's questions are worth: choices, texts, and how far repeats agree."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from anygen.evaluation.suites.base import Measure, Metric, Numbers
from anygen.evaluation.suites.captions import METRICS as CAPTIONS
from anygen.evaluation.suites.reform.catalogue import SETS
from anygen.evaluation.suites.reform.prompts import MARKS
from anygen.evaluation.suites.vqa import normalized

MARK = re.compile(r"\(([1-9A-Za-z])\)")
SPECIAL = re.compile(r"[^a-zA-Z0-9\s]")


def place_in(text: str) -> int | None:
    """The place of the option whose mark comes first; None without one, even for its bare text."""
    found = MARK.search(text)
    return next(row.index(found[1]) for row in MARKS if found[1] in row) if found else None


def option_at(place: int | None, options: Sequence[str], text: str) -> str:
    """The option that an answer names or, if there is no such option, its own text."""
    return options[place] if place is not None and place < len(options) else text


def entropy(answers: Sequence[str]) -> float:
    """How far the repeats of a question disagree, in nats."""
    shares = [count / len(answers) for count in Counter(answers).values()]
    return abs(sum(share * math.log(share) for share in shares))


def has_text(text: str, gold: str) -> bool:
    """Whether an answer holds the whole right text, word for word, without special characters.

    A right text of nothing else is looked for as it is; the authors' own program finds it in every
    answer.
    """
    expected = SPECIAL.sub("", gold).lower()
    if not expected.strip():
        return gold.lower() in text.lower()
    return has_words(SPECIAL.sub("", text).lower(), expected)


def has_normalized(text: str, golds: Sequence[str]) -> bool:
    """Whether an answer holds one of the right texts, both normalised as VQA's answers."""
    own = normalized(text.replace("\n", " ").replace("\t", " ").strip())
    expected = [normalized(gold.replace("\n", " ").replace("\t", " ").strip()) for gold in golds]
    return any(has_words(own, gold) for gold in expected if gold)


def has_words(text: str, expected: str) -> bool:
    return re.search(rf"\b{re.escape(expected)}\b", text) is not None


def token_share(text: str, gold: str) -> float:
    """The share of the right text's words that an answer has, the other figure for read text."""
    words = SPECIAL.sub("", gold).lower().split()
    own = set(SPECIAL.sub("", text).lower().split())
    return sum(word in own for word in words) / len(words) if words else 0.0


# --- figures: each is the mean over the sets of what a set has


def mean_of_sets(of_set: Callable[[Sequence[Numbers]], float], numbers: Sequence[Numbers]) -> float:
    sets: dict[str, list[Numbers]] = {}
    for one in numbers:
        sets.setdefault(one["set"], []).append(one)
    return sum(map(of_set, sets.values())) / len(sets)


def share(key: str) -> Callable[[Sequence[Numbers]], float]:
    """Over all answers, in percent: how many have what `key` counts."""

    def of_set(numbers: Sequence[Numbers]) -> float:
        return 100 * sum(one[key] for one in numbers) / sum(one["asked"] for one in numbers)

    return of_set


def mean(key: str) -> Callable[[Sequence[Numbers]], float]:
    """Over all questions; a dialogue has several."""

    def of_set(numbers: Sequence[Numbers]) -> float:
        values = [value for one in numbers for value in one[key]]
        return sum(values) / len(values)

    return of_set


def by_round(numbers: Sequence[Numbers]) -> tuple[list[float], list[float]]:
    """The numbers of the rounds, and the share of right answers in each."""
    rounds: dict[int, list[float]] = {}
    for one in numbers:
        for number, right in one["rounds"]:
            rounds.setdefault(number, []).append(right)
    return list(map(float, rounds)), [sum(row) / len(row) for row in rounds.values()]


def correlation(numbers: Sequence[Numbers]) -> float:
    """Pearson's, of the number of the round and the share; 0 where every round has the same."""
    rounds, shares = by_round(numbers)
    if len(rounds) < 2 or np.ptp(shares) == 0:
        return 0.0
    return float(np.corrcoef(rounds, shares)[0, 1])


def slope(numbers: Sequence[Numbers]) -> float:
    """Of the straight line through the shares, in percentage points for each round."""
    rounds, shares = by_round(numbers)
    return 100 * float(np.polyfit(rounds, shares, 1)[0]) if len(rounds) > 1 else 0.0


def measured(
    about: str, key: str, of_set: Callable[[Sequence[Numbers]], float], *more: str, scale: str = "%"
) -> Metric:
    """Of the units that have the numbers `key` and `more`."""

    def quality(numbers: Numbers) -> float:
        return of_set([numbers])

    def value(numbers: Sequence[Numbers]) -> float:
        return mean_of_sets(of_set, numbers)

    return Metric(about, measure=Measure(("set", key, *more), value, quality), scale=scale)


def by_set(metric: Metric) -> Metric:
    """The mean over the sets of a figure that depends on all captions of its set."""
    inner = metric.measure
    assert inner is not None, "the figures of captions are no shares"

    def prepare(numbers: Sequence[Numbers]) -> list[tuple[str, Any]]:
        points: list[tuple[str, Any]] = [("", None)] * len(numbers)
        for name in {one["set"] for one in numbers}:
            places = [place for place, one in enumerate(numbers) if one["set"] == name]
            prepared = inner.prepare([numbers[place] for place in places])
            for place, point in zip(places, prepared):
                points[place] = (name, point)
        return points

    def value(points: Sequence[tuple[str, Any]]) -> float:
        sets: dict[str, list[Any]] = {}
        for name, point in points:
            sets.setdefault(name, []).append(point)
        return sum(inner.value(own) or 0.0 for own in sets.values()) / len(sets)

    return replace(metric, measure=replace(inner, value=value, prepare=prepare))


METRICS: Mapping[str, Metric] = {
    "accuracy": measured("answers that are right", "right", share("right")),
    "chance": measured("answers that guessing has right", "chance", share("chance")),
    "format": measured("answers that name an option by its mark", "marked", share("marked")),
    "instability": measured(
        "disagreement of repeats", "entropies", mean("entropies"), scale="nats"
    ),
    "words": measured("words of the right text that answers have", "words", share("words")),
    "correlation": measured("of rounds and accuracy", "rounds", correlation, scale="of 1"),
    "slope": measured("accuracy gained by a round", "rounds", slope, scale="% a round"),
    "cider_d_simple": by_set(CAPTIONS["cider_d_simple"]),
    "bleu_4_simple": by_set(CAPTIONS["bleu_4_simple"]),
    "rouge_l_simple": by_set(CAPTIONS["rouge_l_simple"]),
}
GROUPS: Mapping[str, Metric] = {
    group: measured(
        f"answers that are right, mean of the sets of {group}", group, share("right"), "right"
    )
    for group in dict.fromkeys(one.group for one in SETS)
    if group != "captions"
}

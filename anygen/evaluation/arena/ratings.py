"""Ratings of models from battles: Elo, Bradley-Terry with bootstrap intervals, and shares of wins.

A tie, and a battle that both lost, count as half a win for each. Elo depends on the order of the
battles, Bradley-Terry does not; on its scale a difference of 400 points is ten wins for each loss.

M models, B battles.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anygen.evaluation.arena.battles import Battle, models_of

START, SCALE, BASE, K = 1000.0, 400.0, 10.0, 4.0  # as in FastChat
DRAWS = 100  # of the bootstrap, as in FastChat
STEPS, CLOSE = 10_000, 1e-10
LIMIT = 10.0  # powers of ten: of a model that only won, or only lost
POINTS = {"first": 1.0, "second": 0.0, "tie": 0.5, "bad": 0.5}


@dataclass(frozen=True)
class Rating:
    """Of one model."""

    model: str
    battles: int
    rating: float  # of Bradley and Terry
    interval: tuple[float, float]  # 95 %, of the bootstrap over battles
    elo: float
    wins: Mapping[str, float | None]  # shares by the way in which ties count, see WAYS


def rate(battles: Sequence[Battle], draws: int = DRAWS) -> list[Rating]:
    """All models, the best first."""
    models = models_of(battles)
    ratings, last = bradley_terry(battles, models), elo(battles)
    rng = random.Random(0)
    samples = [bradley_terry(rng.choices(battles, k=len(battles)), models) for _ in range(draws)]
    lows, highs = np.percentile(samples, [2.5, 97.5], axis=0)
    found = [
        Rating(
            model,
            sum(model in (battle.first, battle.second) for battle in battles),
            round(float(ratings[place]), 1),
            (round(float(lows[place]), 1), round(float(highs[place]), 1)),
            round(last[model], 1),
            shares_of(model, battles),
        )
        for place, model in enumerate(models)
    ]
    return sorted(found, key=lambda rating: -rating.rating)


def elo(battles: Iterable[Battle], k: float = K) -> dict[str, float]:
    """After all battles in their order (Elo 1978)."""
    ratings: dict[str, float] = {}
    for battle in battles:
        first, second = (ratings.get(name, START) for name in (battle.first, battle.second))
        expected = 1 / (1 + BASE ** ((second - first) / SCALE))
        gain = k * (POINTS[battle.vote] - expected)
        ratings |= {battle.first: first + gain, battle.second: second - gain}
    return ratings


def bradley_terry(battles: Sequence[Battle], models: Sequence[str]) -> np.ndarray:
    """(M,): the likeliest ratings, with the mean START (Bradley and Terry 1952, Biometrika 39:324).

    By the minorization of Hunter (2004, Annals of Statistics 32:384). A model that only won or only
    lost has no finite one and stays within LIMIT; one without battles is at START.
    """
    place = {model: index for index, model in enumerate(models)}
    points_M = np.zeros(len(models))
    games_MM = np.zeros((len(models), len(models)))
    for battle in battles:
        first, second = place[battle.first], place[battle.second]
        points_M[first] += POINTS[battle.vote]
        points_M[second] += 1 - POINTS[battle.vote]
        games_MM[first, second] += 1
        games_MM[second, first] += 1
    played = games_MM.sum(1) > 0
    logs_M = np.zeros(len(models))
    for _ in range(STEPS):
        strengths_M = BASE**logs_M
        expected_M = (games_MM / (strengths_M[:, None] + strengths_M[None])).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            updated_M = np.where(played, np.log10(points_M / expected_M), 0.0)
        updated_M = updated_M.clip(-LIMIT, LIMIT)
        updated_M[played] -= updated_M[played].mean()
        is_done = np.abs(updated_M - logs_M).max() < CLOSE
        logs_M = updated_M
        if is_done:
            break
    return START + SCALE * logs_M


def win_chance(first: float, second: float) -> float:
    """Of the first, from the ratings of Bradley and Terry."""
    return float(1 / (1 + BASE ** ((second - first) / SCALE)))


# --- shares of wins, as OpenING counts them

# How ties count: for the side that they lean to, not at all, as a loss, as half a win.
WAYS = ("divided", "without", "none", "half")


def shares_of(model: str, battles: Sequence[Battle]) -> dict[str, float | None]:
    """The share of a model's battles that it won, by way; None without any that counts.

    A tie that leans to no side counts for neither where ties are divided.
    """
    own = [(battle, battle.first == model) for battle in battles if model in sides(battle)]
    won = sum(battle.vote == ("first" if is_first else "second") for battle, is_first in own)
    ties = [(battle, is_first) for battle, is_first in own if battle.vote in ("tie", "bad")]
    leaning = sum(
        battle.leaning == ("first" if is_first else "second") for battle, is_first in ties
    )
    decided = len(own) - len(ties)
    return {
        "divided": (won + leaning) / len(own) if own else None,
        "without": won / decided if decided else None,
        "none": won / len(own) if own else None,
        "half": (won + 0.5 * len(ties)) / len(own) if own else None,
    }


def sides(battle: Battle) -> tuple[str, str]:
    return battle.first, battle.second

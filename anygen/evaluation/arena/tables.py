"""The table of an arena, its page, and its files for other programs."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anygen.evaluation.arena.battles import Battle, as_fastchat, models_of
from anygen.evaluation.arena.ratings import POINTS, WAYS, Rating, win_chance
from anygen.io.atomic import replacing, write_json
from anygen.reports.page import write_page

PAGE = "arena.html"
HEADINGS = ("model", "rating", "95 %", "elo", "battles", *WAYS)


def table(ratings: Sequence[Rating]) -> Iterator[str]:
    """In columns of fixed width; the last ones are shares of wins by the way ties count."""
    yield "{:28}{:>9}{:>18}{:>9}{:>9}".format(*HEADINGS[:5]) + "".join(f"{w:>9}" for w in WAYS)
    for one in ratings:
        low, high = one.interval
        shares = "".join(f"{percent(one.wins[way]):>9}" for way in WAYS)
        interval = f"{low:g}..{high:g}"
        yield f"{one.model:28}{one.rating:9g}{interval:>18}{one.elo:9g}{one.battles:9d}{shares}"


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def write_files(ratings: Sequence[Rating], battles: Sequence[Battle], out: Path) -> Iterator[Path]:
    """The ratings as JSON and CSV, the battles in FastChat's form, and a page."""
    out.mkdir(parents=True, exist_ok=True)
    write_json([asdict(one) for one in ratings], out / "ratings.json")
    yield out / "ratings.json"
    with (
        replacing(out / "ratings.csv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        csv.writer(stream).writerows(csv_rows(ratings))
    yield out / "ratings.csv"
    write_json(as_fastchat(battles), out / "fastchat.json")
    yield out / "fastchat.json"
    names = [one.model for one in ratings]
    values = {
        "ratings": ratings,
        "ways": WAYS,
        "percent": percent,
        "battles": len(battles),
        "names": names,
        "cells": {name: [cell(name, other, battles) for other in names] for name in names},
        "chances": chances(ratings),
    }
    yield write_page(out / PAGE, PAGE, values)


def csv_rows(ratings: Sequence[Rating]) -> Iterator[list[Any]]:
    yield ["model", "rating", "low", "high", "elo", "battles", *WAYS]
    for one in ratings:
        shares = [one.wins[way] for way in WAYS]
        yield [one.model, one.rating, *one.interval, one.elo, one.battles, *shares]


def cell(name: str, other: str, battles: Sequence[Battle]) -> str:
    """The share of wins against another model, half a win for a tie, and of how many."""
    points = [
        POINTS[one.vote] if one.first == name else 1 - POINTS[one.vote]
        for one in battles
        if {one.first, one.second} == {name, other}
    ]
    return f"{100 * sum(points) / len(points):.0f} % of {len(points)}" if points else ""


def chances(ratings: Sequence[Rating]) -> dict[str, list[str]]:
    """How likely each model is to win against each other one, by the ratings."""
    return {
        one.model: [
            "" if one is other else f"{100 * win_chance(one.rating, other.rating):.0f} %"
            for other in ratings
        ]
        for one in ratings
    }


def unplayed(battles: Sequence[Battle]) -> list[tuple[str, str]]:
    """The pairs of models that never met."""
    names = models_of(battles)
    met = {frozenset((one.first, one.second)) for one in battles}
    return [
        (first, second)
        for place, first in enumerate(names)
        for second in names[place + 1 :]
        if frozenset((first, second)) not in met
    ]

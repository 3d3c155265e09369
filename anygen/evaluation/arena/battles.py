"""Battles: which models answered which prompt, and the vote; and files of them.

A vote is `first`, `second`, `tie` or `bad` (both are). OpenING's judges may lean to one side of a
tie. Read are battles.jsonl of `anygen arena`, the JSON of FastChat (`model_a`, `model_b`, `winner`)
and that of OpenING (`model_A: {name}`, `winner: "Tie(A)"`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from anygen.core.schema import Strict, explain_in_line
from anygen.evaluation.suites.reading import read_json, read_rows
from anygen.io.json_lines import append_json_line, read_json_lines

FILE = "battles.jsonl"
Vote = Literal["first", "second", "tie", "bad"]
VOTES: Mapping[str, tuple[Vote, Literal["first", "second"] | None]] = {
    **{word: ("first", None) for word in ("A", "model_a")},
    **{word: ("second", None) for word in ("B", "model_b")},
    **{word: ("tie", None) for word in ("Tie", "tie")},
    **{word: ("bad", None) for word in ("tie (bothbad)", "bothbad", "both_bad")},
    "Tie(A)": ("tie", "first"),
    "Tie(B)": ("tie", "second"),
}


class Battle(Strict):
    """A line of battles.jsonl."""

    id: str  # of the prompt
    first: str  # the models, in the order in which their answers were shown
    second: str
    vote: Vote
    leaning: Literal["first", "second"] | None = None  # of a tie
    voter: str = ""
    prompt: str = ""
    answers: tuple[str, str] | None = None  # media as [image], and so on
    reasons: tuple[str, ...] = ()  # of a judge, in both orders


def read_battles(paths: Iterable[Path]) -> list[Battle]:
    """All battles of files, or of folders of `anygen arena`. Raises ValueError for another form."""
    battles: list[Battle] = []
    for path in paths:
        file = path / FILE if path.is_dir() else path
        if not file.is_file():
            raise ValueError(f"there are no battles {file}; anygen arena vote writes some")
        battles += read_file(file)
    if not battles:
        raise ValueError("the files hold no battles")
    return battles


def read_file(path: Path) -> list[Battle]:
    """Of a vote that a kill cut nothing is left. Raises ValueError for another form."""
    if path.name == FILE:
        rows: Any = list(read_json_lines(path))
    else:
        rows = list(read_rows(path)) if path.suffix == ".jsonl" else read_json(path)
    if not isinstance(rows, list):
        raise ValueError(f"{path}: holds no list of battles")
    return [read_battle(row, f"{path}: battle {n}") for n, row in enumerate(rows, start=1)]


def read_battle(row: Any, where: str) -> Battle:
    """Raises ValueError for a row of another form."""
    match row:
        case {"model_a": str(first), "model_b": str(second), "winner": str(winner), **rest}:
            name = str(rest.get("question_id", ""))
        case {
            "model_A": {"name": str(first)},
            "model_B": {"name": str(second)},
            "winner": str(winner),
            **rest,
        }:
            name = str(rest.get("data_id", ""))
        case _:
            try:
                return Battle.model_validate_json(json.dumps(row))
            except ValidationError as error:
                raise ValueError(f"{where}: {explain_in_line(error, Battle)}") from None
    if winner not in VOTES:
        raise ValueError(f"{where}: the winner {winner!r} is none of {', '.join(VOTES)}")
    vote, leaning = VOTES[winner]
    return Battle(id=name, first=first, second=second, vote=vote, leaning=leaning)


def append_battle(folder: Path, battle: Battle) -> None:
    append_json_line(folder / FILE, battle.model_dump(mode="json", exclude_defaults=True))


def models_of(battles: Sequence[Battle]) -> list[str]:
    """In alphabetical order."""
    return sorted({name for battle in battles for name in (battle.first, battle.second)})


def as_fastchat(battles: Sequence[Battle]) -> list[dict[str, str]]:
    """For tools that read FastChat's battles."""
    winners = {"first": "model_a", "second": "model_b", "tie": "tie", "bad": "tie (bothbad)"}
    return [
        {
            "question_id": battle.id,
            "model_a": battle.first,
            "model_b": battle.second,
            "winner": winners[battle.vote],
            "judge": battle.voter,
        }
        for battle in battles
    ]

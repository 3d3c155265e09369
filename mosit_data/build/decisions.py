"""Decisions of a person about dialogues: keep, drop or fix. They belong to a dialogue as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError, model_validator

from anygen.core.records import Record
from anygen.core.schema import Strict, explain
from anygen.core.text import from_json, to_json
from anygen.io.media_files import printable
from anygen.io.paths import read_file
from mosit_data.formats.tables.records import write as record_row


class Decision(Strict):
    """About the row with this id and SHA-256; `record` is the row as it should be."""

    id: str
    sha256: str
    decision: Literal["keep", "drop", "fix"]
    record: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _check_record(self) -> Decision:
        if (self.decision == "fix") != (self.record is not None):
            raise ValueError("a fix, and nothing else, has a 'record'")
        return self


Decisions = Mapping[tuple[str, str], Decision]


def decisions_path(file: Path) -> Path:
    """`rows.decisions.jsonl` beside `rows.jsonl`."""
    return file.with_name(f"{file.stem}.decisions.jsonl")


def sha256_of(record: Record) -> str:
    return hashlib.sha256(to_json(record_row(record)).encode()).hexdigest()


def read_decisions(path: Path) -> Decisions:
    """Empty if there is no such file; of two decisions about a row the later one counts.

    Raises ValueError for a line that is no decision.
    """
    if not path.exists():
        return {}
    decisions: dict[tuple[str, str], Decision] = {}
    for number, line in enumerate(read_file(path).decode("utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            decision = Decision.model_validate(from_json(line))
            if decision.record is not None:
                Record.model_validate(decision.record)
        except (ValidationError, ValueError) as error:
            raise ValueError(
                f"{printable(path)}:{number}: {explain(error).splitlines()[0]}"
            ) from None
        decisions[decision.id, decision.sha256] = decision
    return decisions


def decided(record: Record, decisions: Decisions) -> Record | None:
    """The record as a person wants it, or None if it is dropped.

    A row that was fixed may have been judged again as it is then.
    """
    for _ in range(len(decisions)):
        decision = decisions.get((record.id, sha256_of(record)))
        if decision is None or decision.decision == "keep":
            break
        if decision.record is None:
            return None
        record = Record.model_validate(decision.record)
    return record

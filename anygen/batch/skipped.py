"""Rows that an earlier run has answered, and what has changed since."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from anygen.batch.records import BatchRecord, short_hash
from anygen.batch.rows import BatchRow, parse_record, row_options, row_seed
from anygen.generation.options import AnswerOptions

MAX_IDS = 5  # that are named


class RowHashes(TypedDict):
    """The fields of a record that tell whether its row has changed."""

    prompt_hash: str  # of the messages
    settings_hash: str  # of the model, the seed and the options


@dataclass(frozen=True)
class SkippedRows:
    """Ids of rows that are not answered again."""

    ids: Sequence[str] = ()
    other_prompt: Sequence[str] = ()  # since they were answered
    other_settings: Sequence[str] = ()
    missing_files: Sequence[str] = ()  # of whose answers a file is gone

    def __str__(self) -> str:
        """`2 done before, 1 of them with another prompt (a)`."""
        changes = (
            (self.other_prompt, "with another prompt"),
            (self.other_settings, "with other settings"),
            (self.missing_files, "with a file that is gone"),
        )
        notes = [f"{len(ids)} of them {change} ({listed(ids)})" for ids, change in changes if ids]
        return ", ".join([f"{len(self.ids)} done before", *notes])

    @property
    def has_changed(self) -> bool:
        return bool(self.other_prompt or self.other_settings or self.missing_files)


def listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - MAX_IDS} more" if len(ids) > MAX_IDS else ""
    return ", ".join(ids[:MAX_IDS]) + more


def find_skipped(
    rows: Iterable[BatchRow],
    finished: Mapping[str, BatchRecord],
    out: Path,
    hashes_of: Callable[[BatchRow], RowHashes],
) -> SkippedRows:
    """Records of earlier versions have no hashes, and are not compared."""
    ids, prompts, settings, files = [], [], [], []
    for row in rows:
        record = finished.get(row.id)
        if record is None:
            continue
        hashes = hashes_of(row)
        ids.append(row.id)
        if record.get("prompt_hash", hashes["prompt_hash"]) != hashes["prompt_hash"]:
            prompts.append(row.id)
        if record.get("settings_hash", hashes["settings_hash"]) != hashes["settings_hash"]:
            settings.append(row.id)
        if not all((out / part["path"]).is_file() for part in record["content"] if "path" in part):
            files.append(row.id)
    return SkippedRows(ids, prompts, settings, files)


def row_hashes(row: BatchRow, seed: int, options: AnswerOptions, model: str) -> RowHashes:
    """Of a row in a batch with this seed and these options."""
    try:
        record = parse_record(row)
        settings = row_options(record, options)
    except (ValueError, RecursionError):  # it has become a row that cannot be answered
        return {"prompt_hash": "", "settings_hash": ""}
    messages = [message.model_dump_json() for message in record.messages]
    fields = (model, row_seed(row, record, seed), settings.model_dump_json(exclude_defaults=True))
    return {
        "prompt_hash": short_hash(json.dumps(messages)),
        "settings_hash": short_hash(json.dumps(fields)),
    }

"""Rows that an earlier run has answered, and what has changed since."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypedDict

from anygen.batch.records import BatchRecord, short_hash
from anygen.batch.rows import BatchRow, parse_record, row_options, row_seed
from anygen.generation.options import AnswerOptions

MAX_IDS = 5  # that are named


class RowHashes(TypedDict):
    """The fields of a record that tell whether its row has changed."""

    prompt_hash: str  # of the messages
    settings_hash: str  # of the model, the seed and the options


def refuse_changed(
    rows: Iterable[BatchRow],
    finished: Mapping[str, BatchRecord],
    hashes_of: Callable[[BatchRow], RowHashes],
) -> None:
    """Raises ValueError if an answered row has changed since: its answer would be kept unseen.

    Rows that failed may be mended. Records of earlier versions have no hashes, and are not
    compared.
    """
    prompts, settings = [], []
    for row in rows:
        record = finished.get(row.id)
        if record is None:
            continue
        hashes = hashes_of(row)
        if record.get("prompt_hash", hashes["prompt_hash"]) != hashes["prompt_hash"]:
            prompts.append(row.id)
        elif record.get("settings_hash", hashes["settings_hash"]) != hashes["settings_hash"]:
            settings.append(row.id)
    if not prompts and not settings:
        return
    parts = [
        f"{count(ids)} answered there with {what} ({listed(ids)})"
        for ids, what in ((prompts, "another prompt"), (settings, "other settings"))
        if ids
    ]
    raise ValueError(f"{', and '.join(parts)}: choose another --out, or give what was given then")


def count(ids: Sequence[str]) -> str:
    return f"{len(ids)} rows were" if len(ids) > 1 else "1 row was"


def listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - MAX_IDS} more" if len(ids) > MAX_IDS else ""
    return ", ".join(ids[:MAX_IDS]) + more


def row_hashes(row: BatchRow, seed: int, options: AnswerOptions, model: str) -> RowHashes:
    """Of a row in a batch with this seed and these options."""
    try:
        record = parse_record(row)
        options_json = row_options(record, options).model_dump_json(exclude_defaults=True)
        messages = [message.model_dump_json() for message in record.messages]
    except (ValueError, RecursionError):  # a row that cannot be answered
        return {"prompt_hash": "", "settings_hash": ""}
    fields = (model, row_seed(row, record, seed), options_json)
    return {
        "prompt_hash": short_hash(json.dumps(messages)),
        "settings_hash": short_hash(json.dumps(fields)),
    }

"""What is made of all shards at the end, and whether a folder is whole.

    records.jsonl   the best record of each row, in the order of the file; media lie beside it
    manifest.json   the shards with their hashes, and the counts of rows
    _SUCCESS        every row has an answer

In a table or an archive the shards hold all, and there is no records.jsonl.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anygen.batch.answering import BatchSettings
from anygen.batch.records import RECORDS, BatchRecord, read_records, sha256_of, write_records
from anygen.batch.rows import BatchRow
from anygen.batch.shards.formats import FORMATS
from anygen.batch.shards.job import JOB
from anygen.batch.shards.journals import TEMPORARY
from anygen.batch.shards.tasks import SHARDS, committed
from anygen.io.atomic import write_json
from anygen.io.media_files import printable

MANIFEST, SUCCESS = "manifest.json", "_SUCCESS"


def read_state(settings: BatchSettings) -> dict[str, BatchRecord]:
    """The best record of each row that a run has tried: an answer beats an error, then the last."""
    shard_format = FORMATS[settings.format]
    best = {record["id"]: record for record in read_records(settings.out / RECORDS)}
    for path in committed(settings.out, shard_format.suffix):
        for record in shard_format.read(path):
            if record["status"] == "ok" or best.get(record["id"], record)["status"] != "ok":
                best[record["id"]] = record
    return best


def finish(rows: Sequence[BatchRow], settings: BatchSettings) -> None:
    """Writes records.jsonl, manifest.json and, if all rows have an answer, _SUCCESS."""
    state, out = read_state(settings), settings.out
    ids = {row.id for row in rows}
    records = [state[row.id] for row in rows if row.id in state]
    if settings.format == "files":
        others = [r for r in read_records(out / RECORDS) if r["id"] not in ids]
        write_records([*others, *records], out / RECORDS)
    failures = Counter(r.get("code", "failed") for r in records if r["status"] == "error")
    shards = shard_entries(settings)
    write_json(
        {
            "rows": len(rows),
            "answered": len(records) - failures.total(),
            "failed": failures.total(),
            "failures": dict(sorted(failures.items())),
            "shards": shards,
        },
        out / MANIFEST,
    )
    if len(records) == len(rows) and not failures:
        (out / SUCCESS).touch()
    shutil.rmtree(out / TEMPORARY, ignore_errors=True)  # what killed workers left


def shard_entries(settings: BatchSettings) -> dict[str, dict[str, Any]]:
    """The shards by name. What the last manifest lists has not changed: shards never do."""
    path, shard_format = settings.out / MANIFEST, FORMATS[settings.format]
    known = json.loads(path.read_text(encoding="utf-8"))["shards"] if path.exists() else {}
    return {
        shard.name: known.get(shard.name)
        or {"sha256": sha256_of(shard), "rows": len(shard_format.read(shard))}
        for shard in committed(settings.out, shard_format.suffix)
    }


# --- verification


def verify(out: Path) -> tuple[Mapping[str, Any], list[str]]:
    """The manifest of a folder, and what is wrong with its files. Raises ValueError, OSError."""
    if not (out / MANIFEST).exists():
        raise ValueError(f"{printable(out)}: has no {MANIFEST}; the batch has not come to its end")
    manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    job = json.loads((out / JOB).read_text(encoding="utf-8"))
    problems = [*wrong_shards(out, manifest["shards"])]
    if job["format"] == "files":
        records = read_records(out / RECORDS)
        problems += wrong_media(out, records)
        if len(records) < manifest["rows"]:
            problems.append(f"{RECORDS}: holds {len(records)} of {manifest['rows']} records")
    if manifest["answered"] + manifest["failed"] != manifest["rows"]:
        problems.append(f"{MANIFEST}: answered and failed rows are not {manifest['rows']}")
    return manifest, problems


def wrong_shards(out: Path, shards: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, entry in shards.items():
        path = out / SHARDS / name
        if not path.is_file():
            yield f"{SHARDS}/{name}: is missing"
        elif sha256_of(path) != entry["sha256"]:
            yield f"{SHARDS}/{name}: is damaged: its hash is not that of {MANIFEST}"


def wrong_media(out: Path, records: Iterable[BatchRecord]) -> Iterator[str]:
    for record in records:
        for part in record["content"]:
            if "path" not in part:
                continue
            path = out / part["path"]
            if not path.is_file():
                yield f"{part['path']}: is missing (row {record['id']})"
            elif part.get("sha256", sha256_of(path)) != sha256_of(path):
                yield f"{part['path']}: is damaged (row {record['id']})"

"""Builds a set of dialogues in a folder: the stages one after the other, and a report.

jobs.jsonl      the plan
raw.jsonl       what the writer answered, a line at once; a run that was stopped continues here
records.jsonl   the dialogues to train on
held_out.jsonl  dialogues of held-out scenes and phrasings, to measure with
refused.jsonl   what was left out, with the name of the reason
report.json     counts
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anygen.core.records import MadeBy, Record
from anygen.core.text import from_json, to_json
from anygen.io.atomic import replacing, write_json
from anygen.io.media_files import printable
from mosit_data.build.checks import check, media_by
from mosit_data.build.dialogues import RefusalError, ground, parse
from mosit_data.build.duplicates import Duplicates
from mosit_data.build.jobs import Job, plan
from mosit_data.build.writers import Writer
from mosit_data.formats.tables.records import write as record_row

FILES = {"train": "records.jsonl", "heldout": "held_out.jsonl"}


@dataclass
class Built:
    """The dialogues that were kept, and why others were not."""

    records: dict[str, list[Record]] = field(default_factory=lambda: {split: [] for split in FILES})
    refused: list[dict[str, str]] = field(default_factory=list)  # id, reason, sentence
    mixes: Counter[str] = field(default_factory=Counter)

    @property
    def reasons(self) -> dict[str, int]:
        return dict(Counter(row["reason"] for row in self.refused).most_common())

    def report(self, writer: str, seed: int) -> dict[str, Any]:
        kept = [record for records in self.records.values() for record in records]
        generated = Counter(part.type for record in kept for part in media_by(record, "assistant"))
        shown = Counter(part.type for record in kept for part in media_by(record, "user"))
        return {
            "writer": writer,
            "seed": seed,
            "kept": {split: len(records) for split, records in self.records.items()},
            "refused": self.reasons,
            "mixes": dict(sorted(self.mixes.items())),
            "media of the assistant": dict(sorted(generated.items())),
            "media of the user": dict(sorted(shown.items())),
            "rounds": dict(sorted(Counter(len(r.messages) // 2 for r in kept).items())),
        }


def build(topics: Sequence[str], count: int, seed: int, writer: Writer, out: Path) -> Built:
    """Builds `count` dialogues less those that are refused; the same arguments give the same bytes.

    Raises ValueError if `out` cannot be a folder or every dialogue is refused, OSError.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{printable(out)}: is a file; name a folder")
    out.mkdir(parents=True, exist_ok=True)
    jobs = list(plan(topics, count, seed))
    write_lines((job.model_dump(mode="json") for job in jobs), out / "jobs.jsonl")
    built = collect(write_raw(jobs, writer, out / "raw.jsonl"), writer.name)
    for split, name in FILES.items():
        write_lines(map(record_row, built.records[split]), out / name)
    write_lines(built.refused, out / "refused.jsonl")
    write_json(built.report(writer.name, seed), out / "report.json")
    if not any(built.records.values()):
        first = built.refused[0]["sentence"]
        raise ValueError(f"every dialogue is refused, see {out / 'refused.jsonl'}; first: {first}")
    return built


def write_raw(jobs: Iterable[Job], writer: Writer, path: Path) -> Iterator[tuple[Job, str, str]]:
    """Each job with the hash of its prompt and the answer; those in the file are not new."""
    known = {(row["id"], row["key"]): row["text"] for row in read_whole_lines(path)}
    keyed = [(job, hashlib.sha256(writer.key(job).encode()).hexdigest()) for job in jobs]
    kept = [(job, key) for job, key in keyed if (job.id, key) in known]
    write_lines(({"id": job.id, "key": key, "text": known[job.id, key]} for job, key in kept), path)
    new = [job for job, key in keyed if (job.id, key) not in known]
    with path.open("a", encoding="utf-8") as stream, answers_of(new, writer) as answers:
        for job, key in keyed:
            text = known.get((job.id, key))
            if text is None:
                text = next(answers)
                stream.write(to_json({"id": job.id, "key": key, "text": text}) + "\n")
                stream.flush()
            yield job, key, text


@contextmanager
def answers_of(jobs: Sequence[Job], writer: Writer) -> Iterator[Iterator[str]]:
    """The writer's answers in the order of the jobs; none is begun after the end of the context."""
    if writer.parallel == 1:
        yield map(writer.write, jobs)
        return
    with ThreadPoolExecutor(writer.parallel) as pool:
        try:
            yield pool.map(writer.write, jobs)
        finally:
            pool.shutdown(cancel_futures=True)


def read_whole_lines(path: Path) -> list[dict[str, str]]:
    """The rows of raw.jsonl without a last line that was cut off. Raises ValueError, OSError."""
    if not path.exists():
        return []
    *lines, _ = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = from_json(line)
            rows.append({key: str(row[key]) for key in ("id", "key", "text")})
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"{printable(path)}:{number}: is damaged; remove the file to write all anew"
            ) from None
    return rows


def collect(answers: Iterable[tuple[Job, str, str]], writer: str) -> Built:
    """Parses, grounds and checks what `write_raw` gives, and leaves out near repetitions."""
    built, duplicates = Built(), Duplicates()
    for job, prompt, text in answers:
        made_by = MadeBy(writer=writer, prompt=prompt, seed=job.seed)
        try:
            record = ground(parse(text), job, made_by)
            check(record, job)
            if earlier := duplicates.find_or_add(record):
                raise RefusalError("duplicate", f"its words are nearly those of {earlier}")
        except RefusalError as refusal:
            row = {"id": job.id, "reason": refusal.reason, "sentence": str(refusal)}
            built.refused.append(row)
        else:
            built.records[job.split].append(record)
            built.mixes["+".join(job.mix)] += 1
    return built


def write_lines(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Writes JSON lines, atomically."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.writelines(to_json(row) + "\n" for row in rows)

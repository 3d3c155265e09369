"""Measures a model: every row of a suite, with its uncertainty, its controls and its samples.

`run` writes outcomes.jsonl (a line per case) and samples/ (media) while it runs, and at the end
results.json, report.html and samples.html from all that the folder holds. It continues where an
earlier run stopped. The seed and its number determine a case, so a run with a limit is the
beginning of the full one.
"""

import hashlib
import json
import platform
import random
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import torch

from anygen.anygen import AnyGen
from anygen.checkpoints import checkpoint
from anygen.checkpoints.run_weights import fingerprint
from anygen.config.placement import Placement
from anygen.core.media import Media, media_of, modality_of
from anygen.core.modality import TABLE
from anygen.core.version import __version__
from anygen.evaluation import report, samples
from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.results import (
    IDENTITY,
    OUTCOMES,
    RESULTS,
    SAMPLES,
    Line,
    find_suite,
    read_lines,
    summarize,
    table,
)
from anygen.evaluation.suites.base import Bench, Case, Outcome, Task
from anygen.generation.request import Request, derive_seed
from anygen.io.atomic import write_json
from anygen.io.media_files import write_media

BATCH = 8  # conversations at a time
SAVED = 64  # cases of a task whose media are saved


def run(  # noqa: PLR0913  # the options of the command
    model: str,
    suite: str,
    out: Path,
    data: Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    rows: Sequence[str] = (),
    place: Placement = Placement(),
) -> Line:
    """Measure a model by name or folder; prints the table, returns the content of results.json.

    `data` is the folder of the suite's cases, if it has not its own. `limit` is the most cases per
    task. The table has the requested `rows`, results.json and report.html have all rows in the
    folder. Raises ValueError for unknown names, for data that are not valid, and for a folder with
    results of another model, suite, seed or placement.
    """
    tasks = chosen_tasks(suite, find_suite(suite).read(data), rows)
    folder = checkpoint.find_model(model)
    digest = fingerprint([folder])
    identity = {"suite": suite, "weights": digest, "seed": seed}
    if data is not None:
        identity["data"] = data_hash(data)
    if place.non_defaults:
        identity["placement"] = place.non_defaults
    claim(out, identity)
    bench = Bench(AnyGen.from_pretrained(model, **dict(place)), Judges())
    measure(bench, tasks, out, limit, seed)
    lines = read_lines(out)
    results = summarize(lines, suite) | {"model": model, "version": __version__}
    results |= {"date": today(), "machine": machine(), **identity}
    write_json(results, out / RESULTS)
    for line in table(requested(results, rows), suite):
        print_line(line)
    for page in (report.write(out, results, lines), samples.write(out, results, lines)):
        print_line(str(page))
    return results


def chosen_tasks(suite: str, tasks: Mapping[str, Task], rows: Sequence[str]) -> dict[str, Task]:
    """The tasks that measure these rows of the table, or all.

    In a table with a line for each task these are the tasks. Raises ValueError for an unknown row.
    """
    found = find_suite(suite)
    lines = {name: {name} if found.whole else set(task.rows) for name, task in tasks.items()}
    known = list(tasks if found.whole else found.metrics)
    for row in rows:
        if row not in known:
            raise ValueError(f"no row named {row!r}; there are {', '.join(known)}")
    measured = set(rows or known)
    return {name: task for name, task in tasks.items() if measured & lines[name]}


def requested(results: Line, rows: Sequence[str]) -> Line:
    """The results without the lines of the table that were not requested."""
    kind = "tasks" if results["tasks"] else "rows"
    return {**results, kind: {n: row for n, row in results[kind].items() if n in rows or not rows}}


def data_hash(data: Path) -> str:
    """The SHA-256 of the rows and media in a folder, in hexadecimal."""
    suffixes = {".jsonl", *(suffix for row in TABLE.values() for suffix in row.read_suffixes)}
    digest = hashlib.sha256()
    for path in sorted(path for path in data.rglob("*") if path.suffix.lower() in suffixes):
        digest.update(f"{path.relative_to(data).as_posix()} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def claim(out: Path, identity: Line) -> None:
    """Reserve a folder for results of this identity. Raises ValueError if it has others."""
    path = out / IDENTITY
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != identity:
        raise ValueError(
            f"{out} holds results of other weights, or of another suite, data, seed or placement; "
            "choose another"
        )
    out.mkdir(parents=True, exist_ok=True)
    write_json(identity, path)


def measure(
    bench: Bench, tasks: Mapping[str, Task], out: Path, limit: int | None, seed: int
) -> None:
    """Ask and score every case that has no line yet."""
    done = {(line["task"], line["case"]) for line in read_lines(out)}
    for name, task in tasks.items():
        indices = range(task.count if limit is None else min(limit, task.count))
        missing = [index for index in indices if (name, index) not in done]
        for start in range(0, len(missing), BATCH):
            chunk = missing[start : start + BATCH]
            print_line(f"{name}: {chunk[0]} of {len(indices)}")
            start_time = time.perf_counter()
            scored = answer_and_score(bench, task, name, chunk, seed)
            seconds = (time.perf_counter() - start_time) / len(chunk)
            for index, (case, outcome) in zip(chunk, scored):
                write_outcome(out, name, index, case, outcome, seconds)


def answer_and_score(
    bench: Bench, task: Task, name: str, indices: Sequence[int], seed: int
) -> list[tuple[Case, Outcome]]:
    cases = [make_case(task, name, index, seed) for index in indices]
    seeds = [
        derive_seed(seed, case.id) if case.id else derive_seed(seed, name, index)
        for index, case in zip(indices, cases)
    ]
    requests = [Request(case.messages, key, case.options) for case, key in zip(cases, seeds)]
    answers = bench.anygen.reply_many(requests)
    return list(zip(cases, task.score(bench, list(zip(cases, seeds, answers)))))


def make_case(task: Task, name: str, index: int, seed: int) -> Case:
    return task.make_case(random.Random(f"{seed}/{name}/{index}"), index)


def write_outcome(
    out: Path, name: str, index: int, case: Case, outcome: Outcome, seconds: float
) -> None:
    """Append a line. Media are written first, so that a line never names a missing file."""
    media = samples_of(case, outcome) if index < SAVED else {}
    files = {
        source: save_sample(medium, out / SAMPLES, f"{name}_{index:03d}_{source.replace(' ', '_')}")
        for source, medium in media.items()
    }
    line = {
        "task": name,
        "case": index,
        **({"id": case.id} if case.id else {}),
        "prompt": prompt_of(case),
        "text": outcome.text,
        "truth": dict(outcome.truth),
        "verdict": dict(outcome.verdict),
        "scores": outcome.scores,
        "numbers": dict(outcome.numbers),
        "files": files,
        "seconds": round(seconds, 3),
    }
    with (out / OUTCOMES).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line, ensure_ascii=False) + "\n")


def samples_of(case: Case, outcome: Outcome) -> dict[str, Media]:
    """Media by source; `asked` is the medium in the question."""
    question = media_of(case.messages[-1:])
    return {**({"asked": question[0]} if question else {}), **outcome.media}


def prompt_of(case: Case) -> str:
    """The text of the conversation, with a medium in it as `[image]`."""
    turns = [
        " ".join(part if isinstance(part, str) else f"[{modality_of(part)}]" for part in turn.parts)
        for turn in case.messages
    ]
    return " / ".join(turns)


def save_sample(medium: Media, folder: Path, stem: str) -> str:
    """Write a medium; returns the name of its file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}{TABLE[modality_of(medium)].suffix}"
    return write_media(medium, path).name


def today() -> str:
    """Date and time as in 2025-08-31 14:05."""
    return f"{datetime.now():%Y-%m-%d %H:%M}"


def machine() -> Line:
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def print_line(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # the command's output

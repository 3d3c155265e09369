"""Measures a model: every row of a suite, with its uncertainty, its controls and its samples.

`run` writes outcomes.jsonl (a line per case) and samples/ (media) while it runs, and at the end
results.json and report.html from all that the folder holds. It continues where an earlier run
stopped. The seed and its number determine a case, so a run with a limit is the beginning of the
full one.
"""

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
from anygen.config.placement import Placement
from anygen.core.media import Media, media_of, modality_of
from anygen.core.modality import TABLE
from anygen.core.version import __version__
from anygen.evaluation import report
from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.results import (
    IDENTITY,
    OUTCOMES,
    RESULTS,
    Line,
    by_row,
    find_suite,
    read_lines,
    summarize,
    table,
)
from anygen.evaluation.suites.base import Bench, Case, Outcome, Task
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request, derive_seed
from anygen.io.atomic import write_json
from anygen.io.media_files import write_media

BATCH = 8  # conversations at a time
SAMPLES = 24  # cases of a task whose media are saved


def run(  # noqa: PLR0913  # the options of the command
    model: str,
    suite: str,
    out: Path,
    limit: int | None = None,
    seed: int = 0,
    rows: list[str] | None = None,
    place: Placement = Placement(),
) -> Line:
    """Measure a model by name or folder; prints the table, returns the content of results.json.

    `limit` is the most cases per row. The table has the requested `rows`, results.json and
    report.html have all rows in the folder. Raises ValueError for unknown names, and for a folder
    with results of another model, seed or placement.
    """
    tasks = chosen_tasks(suite, rows)
    folder = checkpoint.find_model(model)
    digest = checkpoint.fingerprint(folder)
    placement = {"placement": place.non_defaults} if place.non_defaults else {}
    claim(out, {"suite": suite, "weights": digest, "seed": seed, **placement})
    bench = Bench(AnyGen.from_pretrained(model, **dict(place)), Judges())
    measure(bench, tasks, out, limit, seed)
    lines = read_lines(out)
    results = summarize(lines, suite) | {"model": model, "weights": digest, "seed": seed}
    results |= {"version": __version__, "date": today(), "machine": machine(), **placement}
    write_json(results, out / RESULTS)
    requested = {name: row for name, row in results["rows"].items() if not rows or name in rows}
    for line in table(requested):
        print_line(line)
    print_line(str(report.write(out, results, by_row(lines, suite))))
    return results


def chosen_tasks(suite: str, rows: Sequence[str] | None) -> dict[str, Task]:
    """The tasks that measure these rows, or all. Raises ValueError for an unknown row."""
    found = find_suite(suite)
    for row in rows or []:
        if row not in found.metrics:
            raise ValueError(f"no row named {row!r}; there are {', '.join(found.metrics)}")
    measured = set(rows or found.metrics)
    return {name: task for name, task in found.tasks.items() if measured & set(task.rows)}


def claim(out: Path, identity: Line) -> None:
    """Reserve a folder for results of this identity. Raises ValueError if it has others."""
    path = out / IDENTITY
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != identity:
        raise ValueError(
            f"{out} holds results of other weights, or of another seed or placement; choose another"
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
    seeds = [derive_seed(seed, name, index) for index in indices]
    requests = [
        Request(case.messages, case_seed, AnswerOptions(max_new_tokens=task.max_new_tokens))
        for case, case_seed in zip(cases, seeds)
    ]
    answers = [answer.message for answer in bench.anygen.reply_many(requests)]
    return list(zip(cases, task.score(bench, list(zip(cases, seeds, answers)))))


def make_case(task: Task, name: str, index: int, seed: int) -> Case:
    return task.make_case(random.Random(f"{seed}/{name}/{index}"), index)


def write_outcome(
    out: Path, name: str, index: int, case: Case, outcome: Outcome, seconds: float
) -> None:
    """Append a line. Media are written first, so that a line never names a missing file."""
    samples = samples_of(case, outcome) if index < SAMPLES else {}
    files = {
        source: save_sample(medium, out / report.SAMPLES, f"{name}_{index:03d}_{source}")
        for source, medium in samples.items()
    }
    line = {
        "task": name,
        "case": index,
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
    """The text of the question, with a medium in it as `[image]`."""
    parts = case.messages[-1].parts
    words = (part if isinstance(part, str) else f"[{modality_of(part)}]" for part in parts)
    return " ".join(words)


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

"""Measures a model: every row of a suite, with its uncertainty, its controls and its samples.

`run` writes to its folder, as it goes, outcomes.jsonl (a line per case) and samples/ (media), and
at the end results.json and report.html, both from what lies in the folder; it goes on where an
earlier run stopped. Case i of a task is the same for ever for one seed, so a run with a limit is
the beginning of the full one.
"""

import json
import platform
import random
import time
from collections.abc import Sequence
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
SAMPLES = 24  # cases of a task whose media are kept


def run(  # noqa: PLR0913  # what the command is told
    model: str,
    suite: str,
    out: Path,
    limit: int | None = None,
    seed: int = 0,
    rows: list[str] | None = None,
    place: Placement = Placement(),
) -> Line:
    """Measure a model by name or folder; prints the table, returns what results.json holds.

    `limit` is the most cases per row. The table has the rows that were asked for, results.json and
    report.html all that the folder holds. Raises ValueError for unknown names, and for a folder
    that holds results of another model, seed or placement.
    """
    tasks = chosen_tasks(suite, rows)
    folder = checkpoint.find_model(model)
    digest = checkpoint.fingerprint(folder)
    told = {"placement": place.non_defaults} if place.non_defaults else {}
    claim(out, {"suite": suite, "weights": digest, "seed": seed, **told})
    bench = Bench(AnyGen.from_pretrained(model, **dict(place)), Judges())
    measure(bench, tasks, out, limit, seed)
    lines = read_lines(out)
    results = summarize(lines, suite) | {"model": model, "weights": digest, "seed": seed}
    results |= {"version": __version__, "date": today(), "machine": machine(), **told}
    write_json(results, out / RESULTS)
    shown = {name: row for name, row in results["rows"].items() if rows is None or name in rows}
    for line in table(shown):
        say(line)
    say(str(report.write(out, results, by_row(lines, suite))))
    return results


def chosen_tasks(suite: str, rows: Sequence[str] | None) -> dict[str, Task]:
    """The tasks that measure these rows, or all. Raises ValueError."""
    module = find_suite(suite)
    for row in rows or []:
        if row not in module.ROWS:
            raise ValueError(f"no row named {row!r}; there are {', '.join(module.ROWS)}")
    wanted = set(rows or module.ROWS)
    return {name: task for name, task in module.TASKS.items() if wanted & set(task.rows)}


def claim(out: Path, identity: Line) -> None:
    """A folder holds the results of one model, suite and seed."""
    path = out / IDENTITY
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != identity:
        raise ValueError(
            f"{out} holds results of other weights, or of another seed or placement; choose another"
        )
    out.mkdir(parents=True, exist_ok=True)
    write_json(identity, path)


# --- measuring ---


def measure(bench: Bench, tasks: dict[str, Task], out: Path, limit: int | None, seed: int) -> None:
    """Every case that has no line yet gets one, and its media a file."""
    done = {(line["task"], line["case"]) for line in read_lines(out)}
    for name, task in tasks.items():
        indices = range(task.count if limit is None else min(limit, task.count))
        missing = [index for index in indices if (name, index) not in done]
        for start in range(0, len(missing), BATCH):
            chunk = missing[start : start + BATCH]
            say(f"{name}: {chunk[0]} of {len(indices)}")
            began = time.perf_counter()
            answered = answer_cases(bench, task, name, chunk, seed)
            seconds = (time.perf_counter() - began) / len(chunk)
            for index, (case, outcome) in zip(chunk, answered):
                keep(out, name, index, case, outcome, seconds)


def answer_cases(
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


def keep(out: Path, name: str, index: int, case: Case, outcome: Outcome, seconds: float) -> None:
    """Append a line; media first, so that a line never names what is not there."""
    kept = samples_of(case, outcome) if index < SAMPLES else {}
    files = {
        source: save(medium, out / report.SAMPLES, f"{name}_{index:03d}_{source}")
        for source, medium in kept.items()
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
    """By source; `asked` is the medium in the question."""
    asked = media_of(case.messages[-1:])
    return {**({"asked": asked[0]} if asked else {}), **outcome.media}


def prompt_of(case: Case) -> str:
    """The words of the question; a medium in it as `[image]`."""
    parts = case.messages[-1].parts
    words = (part if isinstance(part, str) else f"[{modality_of(part)}]" for part in parts)
    return " ".join(words)


def save(medium: Media, folder: Path, stem: str) -> str:
    """Write a medium; the name of its file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}{TABLE[modality_of(medium)].suffix}"
    return write_media(medium, path).name


def today() -> str:
    """As in 2025-08-31 14:05."""
    return f"{datetime.now():%Y-%m-%d %H:%M}"


def machine() -> Line:
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # the command's output

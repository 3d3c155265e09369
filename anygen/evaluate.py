"""Measures a model: every row of a suite, with its uncertainty, its controls and its samples.

`run` writes to its folder, as it goes, outcomes.jsonl (a line per case) and samples/ (media), and
at the end results.json and report.html, both from what lies in the folder; it goes on where an
earlier run stopped. Case i of a task is the same for ever for one seed, so a run with a limit is
the beginning of the full one.

    python -m anygen.evaluate control --weights VAE.safetensors UNET.safetensors --tasks pictures

scores decoders by themselves, from plain captions, while they are being trained.
"""

import argparse
import json
import platform
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib import import_module, util
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from anygen.checkpoints import checkpoint
from anygen.config.loader import find_config, load_system
from anygen.config.placement import Placement
from anygen.core.media import Media, media_of, modality_of
from anygen.core.modality import TABLE, MediaModality
from anygen.core.version import __version__
from anygen.generation.request import AnswerOptions, Request, derive_seed
from anygen.io.atomic import write_json
from anygen.io.media_files import write_media
from anygen.judges import Judges
from anygen.metrics import wilson
from anygen.model.multimodal import AnyGen
from anygen.reports import evaluation
from anygen.suites.cases import Case
from anygen.suites.general import general_loss
from anygen.suites.scoring import Bench, Outcome, Scores, make_controls, score_medium
from anygen.suites.world import Row, Task

BATCH = 8  # conversations at a time
SAMPLES = 24  # cases of a task whose media are kept
OUTCOMES, RESULTS, IDENTITY = "outcomes.jsonl", "results.json", "identity.json"

SOURCES = ("control", "judge", "nearest")  # see anygen/suites/scoring.py

Line = dict[str, Any]  # of outcomes.jsonl
UNKNOWN: Line = {"prompt": "", "truth": {}, "verdict": {}}  # in lines that version 0.1.0 wrote


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
    told = {"placement": place.told} if place.told else {}
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
    say(str(evaluation.write(out, results, by_row(lines, suite))))
    return results


def chosen_tasks(suite: str, rows: Sequence[str] | None) -> dict[str, Task]:
    """The tasks that measure these rows, or all. Raises ValueError."""
    module = find_suite(suite)
    for row in rows or []:
        if row not in module.ROWS:
            raise ValueError(f"no row named {row!r}; there are {', '.join(module.ROWS)}")
    wanted = set(rows or module.ROWS)
    return {name: task for name, task in module.TASKS.items() if wanted & set(task.rows)}


def find_suite(name: str) -> Any:
    """A module of anygen/suites with ROWS and TASKS."""
    if name != "world" or util.find_spec(f"anygen.suites.{name}") is None:
        raise ValueError(f"no suite named {name!r}; there is world")
    return import_module(f"anygen.suites.{name}")


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
    answers = [answer.message for answer in bench.model.reply_many(requests)]
    return list(zip(cases, task.score(bench, list(zip(cases, seeds, answers)))))


def make_case(task: Task, name: str, index: int, seed: int) -> Case:
    return task.make_case(random.Random(f"{seed}/{name}/{index}"), index)


def keep(out: Path, name: str, index: int, case: Case, outcome: Outcome, seconds: float) -> None:
    """Append a line; media first, so that a line never names what is not there."""
    kept = samples_of(case, outcome) if index < SAMPLES else {}
    files = {
        source: save(medium, out / evaluation.SAMPLES, f"{name}_{index:03d}_{source}")
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


def read_lines(out: Path) -> list[Line]:
    """The cases that are done; a last line that was cut short by a kill is not one."""
    path = out / OUTCOMES
    if not path.is_file():
        return []
    whole, _, cut = path.read_text(encoding="utf-8").rpartition("\n")
    if cut:
        path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    return [UNKNOWN | json.loads(line) for line in whole.splitlines()]


# --- results ---


def summarize(lines: Sequence[Line], suite: str) -> Line:
    """What results.json holds of every row that was measured."""
    rows = find_suite(suite).ROWS
    measured = by_row(lines, suite)
    results = {name: row_result(name, rows[name], own) for name, own in measured.items()}
    return {"suite": suite, "rows": results}


def by_row(lines: Sequence[Line], suite: str) -> dict[str, list[Line]]:
    """The lines of each row that was measured: the cases that say something of it."""
    module = find_suite(suite)
    found: dict[str, list[Line]] = {name: [] for name in module.ROWS}
    for line in lines:
        for name in module.TASKS[line["task"]].rows:
            if name in line["scores"] or line["numbers"]:
                found[name].append(line)
    return {name: own for name, own in found.items() if own}


def row_result(name: str, row: Row, lines: Sequence[Line]) -> Line:
    """One figure in percent, with what goes with it."""
    result: Line = {"figure": row.figure, "target": row.target, "at_most": row.at_most}
    scores = [line["scores"][name] for line in lines if name in line["scores"]]
    result |= shares(scores) if scores else general_result(lines)
    result["seconds"] = round(sum(line["seconds"] for line in lines), 1)
    return result


def shares(scores: Sequence[Mapping[str, Sequence[int]]]) -> Line:
    """The proportions of all sources; of the model's also the 95 % interval."""
    result: Line = {}
    sources = list(dict.fromkeys(source for score in scores for source in score))
    for source in sources:
        pairs = [score[source] for score in scores if source in score]
        right, judged = (sum(values) for values in zip(*pairs))
        share = round(100 * right / judged, 1) if judged else None
        interval = [round(100 * bound, 1) for bound in wilson(right, judged)]
        if source == "model":
            result |= {"value": share, "n": judged, "interval": interval}
        else:
            result[source] = {"value": share, "n": judged, "interval": interval}
    return result


def general_result(lines: Sequence[Line]) -> Line:
    numbers = [line["numbers"] for line in lines if line["numbers"]]
    loss = general_loss(numbers)
    silent = sum(not row["ours_tokens"] for row in numbers)
    value = None if loss is None else round(loss, 2)
    return {"value": value, "n": len(numbers), "silent": silent}


def table(rows: dict[str, Line]) -> Iterator[str]:
    """The rows for people: columns of fixed width."""
    yield columns("row", ["value", "target", "95 %", "n", *SOURCES])
    for name, row in rows.items():
        target = f"{'<=' if row['at_most'] else '>='}{row['target']:g}"
        interval = "-".join(map(str, row.get("interval", ())))
        others = [row.get(source, {}).get("value", "") for source in SOURCES]
        yield columns(name, [row["value"], target, interval, row["n"], *others])


def columns(name: str, values: Sequence[Any]) -> str:
    return f"{name:22}" + "".join(f"{value!s:>11}" for value in values)


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


# --- decoders by themselves ---

# Tasks that decoders can be asked without an LLM, and the decoders that each needs.
MADE: dict[str, tuple[MediaModality, ...]] = {
    "pictures": ("image",),
    "pairs": ("image",),
    "sounds": ("audio",),
    "videos": ("image", "video"),
}


def control(
    weights: Sequence[Path], system: str, names: Sequence[str], count: int, out: Path | None
) -> dict[str, Line]:
    """What decoders make of plain captions: the rows of these tasks, without an LLM.

    Raises ValueError where the files together leave a part of these decoders untrained.
    """
    model = AnyGen(load_system(system), find_config(system).parent, parts=("decoders",))
    checkpoint.load_weights(model, weights)
    refuse_untrained(model, weights, names)
    model.eval().requires_grad_(False)
    module = find_suite("world")
    rows: dict[str, Line] = {}
    for name in names:
        task: Task = module.TASKS[name]
        scores = list(control_scores(Bench(model, Judges()), name, count, out))
        for row in task.rows:
            found = [score[row] for score in scores if row in score]
            rows[row] = {"target": module.ROWS[row].target, "at_most": False, **shares(found)}
    return rows


def refuse_untrained(model: AnyGen, weights: Sequence[Path], names: Sequence[str]) -> None:
    """Noise is no result: a VAE, say, comes from another run than the U-Net."""
    prefixes = tuple(f"decoders.{part}." for name in names for part in MADE[name])
    found = {key for path in weights for key in load_file(path)}
    missing = [key for key in checkpoint.own_tensors(model, prefixes) if key not in found]
    parts = sorted({".".join(key.split(".")[1:3]) for key in missing})
    if parts:
        raise ValueError(f"--weights has nothing for {', '.join(parts)}; add the runs that do")


def control_scores(bench: Bench, name: str, count: int, out: Path | None) -> Iterator[Scores]:
    """Case by case; the medium is kept where `out` says."""
    task: Task = find_suite("world").TASKS[name]
    for start in range(0, count, BATCH):
        indices = range(start, min(start + BATCH, count))
        cases = [make_case(task, name, index, 0) for index in indices]
        made = make_controls(bench.model, cases, [derive_seed(0, name, i) for i in indices])
        for index, case, medium in zip(indices, cases, made):
            if out is not None:
                save(medium, out, f"{name}_{index:03d}")
            yield score_medium(bench.judges, case, "", {"model": medium}, task.rows).scores


def main() -> None:
    parser = argparse.ArgumentParser(description="Score decoders by themselves.")
    parser.add_argument("command", choices=["control"])
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="later ones win")
    parser.add_argument("--system", default="mini/system")
    parser.add_argument("--tasks", nargs="+", choices=MADE, default=["pictures", "pairs"])
    parser.add_argument("--limit", type=int, default=48, help="cases per task")
    parser.add_argument("--out", type=Path, help="where to keep the media")
    given = parser.parse_args()
    rows = control(given.weights, given.system, given.tasks, given.limit, given.out)
    for line in table(rows):
        say(line)


if __name__ == "__main__":
    main()

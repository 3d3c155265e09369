"""Measures a model: every row of a suite, with its uncertainty, its controls and its samples.

`run` writes outcomes.jsonl (a line per unit, with the raw answers) and samples/ (media) while it
runs, and at the end results.json, report.html and samples.html from all that the folder holds. It
continues where an earlier run stopped.
"""

import json
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from anygen.anygen import AnyGen
from anygen.checkpoints import checkpoint
from anygen.checkpoints.run_weights import fingerprint
from anygen.config.placement import Placement
from anygen.core.media import Media, media_of, modality_of
from anygen.core.modality import TABLE
from anygen.core.version import __version__
from anygen.evaluation import report, samples
from anygen.evaluation.asking import ask_units, recorded
from anygen.evaluation.endpoint import is_endpoint, open_endpoint
from anygen.evaluation.features.extractors import hashes, open_extractors
from anygen.evaluation.judges.answer_reader import AnswerReader, open_reader
from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.results import (
    BLIND,
    IDENTITY,
    OUTCOMES,
    RESULTS,
    SAMPLES,
    read_lines,
    summarize,
    table,
)
from anygen.evaluation.suites.base import (
    LIKELIHOOD,
    Answered,
    Bench,
    Case,
    Line,
    Outcome,
    Suite,
    Unit,
)
from anygen.evaluation.suites.reading import read_json
from anygen.evaluation.suites.registry import choose, find_suite
from anygen.evaluation.units import by_task, checked, chosen_units, read_units
from anygen.io.atomic import replacing, write_json
from anygen.io.hashing import folder_hash
from anygen.io.json_lines import append_json_line
from anygen.io.media_files import write_media

BATCH = 8  # units at a time
TEXT_BATCH = 32  # units whose answers hold no media: a new question joins where one is answered
SAVED = 64  # units of a task whose media are saved
TEXTS = (".jsonl", ".json", ".tsv", ".csv", ".txt")  # files of annotations


@dataclass(frozen=True)
class Plan:
    """What is measured: see the options of `anygen evaluate`."""

    suite: str = "world"
    data: Path | None = None
    mode: str = ""
    split: str = ""
    limit: int | None = None  # units of a task
    rows: Sequence[str] = ()  # of the table that is printed; the files have all
    seed: int = 0
    blind: bool = False  # ask every question without its media, too
    extractors: Mapping[str, Path] = field(default_factory=dict)  # folders by kind
    judge: str = ""  # the endpoint of a language model that reads what the rules cannot


def run(
    model: str, plan: Plan, out: Path, place: Placement = Placement(), score_only: bool = False
) -> Line:
    """Measure a model; prints the table, returns the content of results.json.

    `model` is a name, a folder, or an endpoint's URL#NAME. With `score_only` it only judges again
    the answers that `out` holds. Raises ValueError for unknown names, for data that are not valid,
    and for a folder with results of another model, suite, data, seed or placement.
    """
    suite = find_suite(plan.suite)
    source = choose(suite, plan.data, plan.mode, plan.split)
    refuse_options(suite, plan, score_only)
    units = chosen_units(checked(read_units(suite, source)), plan.rows, plan.limit)
    reader = open_reader(suite, plan.judge, out)
    plan = replace(plan, mode=source.mode, judge=reader.name if reader else "")
    if score_only:
        identity = judge_again(suite, plan, units, out, reader)
    else:
        identity = ask_and_judge(model, suite, plan, units, out, place, reader)
    lines = read_lines(out)
    results = summarize(lines, plan.suite) | {"model": model, "version": __version__}
    results |= {"date": today(), "machine": machine(), **identity}
    write_json(results, out / RESULTS)
    for line in (*table(requested(results, plan.rows), plan.suite), *warnings(results, lines)):
        print_line(line)
    sheets = samples.write(out, results, lines)
    for page in (report.write(out, results, lines), sheets):
        if page:
            print_line(str(page))
    return results


def ask_and_judge(  # noqa: PLR0913  # all that a run has
    model: str,
    suite: Suite,
    plan: Plan,
    units: Sequence[Unit],
    out: Path,
    place: Placement,
    reader: AnswerReader | None,
) -> Line:
    """Measure what is missing; the identity of the results."""
    extractors = open_extractors(plan.extractors)  # refused before anything is asked
    answered = all(unit.answers is not None for unit in units)
    if answered and plan.blind:
        raise ValueError("--blind asks a model, and these data hold the answers; leave it out")
    remote = open_endpoint(model) if is_endpoint(model) and not answered else None
    if remote and (suite.needs_model or suite.makes_media):
        raise ValueError(f"the suite {suite.name} needs a model's folder, not an endpoint")
    if remote and plan.mode.startswith(LIKELIHOOD):
        raise ValueError(f"the mode {plan.mode} needs a model's folder, not an endpoint")
    if answered:
        weights = "of the answers in --data"
    else:
        weights = str(remote) if remote else fingerprint([checkpoint.find_model(model)])
    identity = identify(weights, plan, place)
    claim(out, identity)
    local = None if answered or remote else AnyGen.from_pretrained(model, **dict(place))
    bench = Bench(remote or local, Judges(), out, extractors, reader)
    measure(bench, suite, units, out, plan.seed, plan.blind)
    return identity


def refuse_options(suite: Suite, plan: Plan, score_only: bool) -> None:
    """Raises ValueError for what the suite cannot do: judge again, ask blind, use a network."""
    for option, chosen, possible in (
        ("score-only", score_only, not suite.needs_model),
        ("blind", plan.blind, not (suite.needs_model or suite.makes_media)),
    ):
        if chosen and not possible:
            raise ValueError(f"--{option} is for suites of text answers; {suite.name} judges media")
    for kind in plan.extractors:
        if kind not in suite.extractors:
            usable = ", ".join(suite.extractors) or "none"
            raise ValueError(
                f"the suite {suite.name} has no use for {kind}; its extractors: {usable}"
            )


def requested(results: Line, rows: Sequence[str]) -> Line:
    """The results without the lines of the table that were not requested."""
    kind = "tasks" if results["tasks"] else "rows"
    return {**results, kind: {n: row for n, row in results[kind].items() if n in rows or not rows}}


def warnings(results: Line, lines: Sequence[Line]) -> Iterator[str]:
    """What the figures count as wrong without having judged it, and reservations about them."""
    if unparsed := sum(line.get("unparsed", 0) for line in lines):
        yield f"{unparsed} answers are in no form that the suite can read"
    failed = [sentence for line in lines for sentence in line.get("failed", ())]
    if failed:
        yield f"{len(failed)} questions have no answer, the first one because: {failed[0]}"
    for name, row in results["rows"].items():
        if row["note"]:
            yield f"{name}: {row['note']}"


def identify(weights: str, plan: Plan, place: Placement) -> Line:
    """What results in one folder have in common."""
    identity: Line = {"suite": plan.suite, "weights": weights, "seed": plan.seed}
    if plan.data is not None:
        identity["data"] = data_hash(plan.data)
    extra: dict[str, Any] = {"mode": plan.mode, "split": plan.split, BLIND: plan.blind}
    extra["judge"] = plan.judge
    identity |= {key: value for key, value in extra.items() if value}
    if plan.extractors:
        identity["extractors"] = hashes(plan.extractors)
    if place.non_defaults:
        identity["placement"] = place.non_defaults
    return identity


def data_hash(data: Path) -> str:
    """The SHA-256 of the annotations and media in a folder, in hexadecimal."""
    suffixes = {*TEXTS, *(suffix for row in TABLE.values() for suffix in row.read_suffixes)}
    return folder_hash(data, lambda path: path.suffix.lower() in suffixes)


def claim(out: Path, identity: Line) -> None:
    """Reserve a folder for results of this identity. Raises ValueError if it has others.

    A run that ended before its first answer, as with a wrong address, leaves the folder free.
    """
    path = out / IDENTITY
    if path.is_file() and read_lines(out):
        found: Line = read_json(path)
        if other := [key for key in {**found, **identity} if found.get(key) != identity.get(key)]:
            raise ValueError(
                f"{out} holds results of another run: they differ in {', '.join(other)}; choose "
                "another folder"
            )
    out.mkdir(parents=True, exist_ok=True)
    write_json(identity, path)


def measure(
    bench: Bench, suite: Suite, units: Sequence[Unit], out: Path, seed: int, blind: bool = False
) -> None:
    """Ask and judge every unit that has no line yet."""
    done = {line["id"] for line in read_lines(out)}
    size = BATCH if suite.makes_media or suite.needs_model else TEXT_BATCH
    for name, own in by_task(units).items():
        missing = [(index, unit) for index, unit in enumerate(own) if unit.id not in done]
        for start in range(0, len(missing), size):
            indices, chunk = zip(*missing[start : start + size])
            print_line(f"{name}: {indices[0]} of {len(own)}")
            start_time = time.perf_counter()
            answered = ask_units(bench.model, suite, chunk, seed)
            lines = judged(bench, suite, answered, indices)
            if blind:
                controls = ask_units(bench.model, suite, chunk, seed, blind=True)
                lines = with_control(lines, judged(bench, suite, controls, indices))
            seconds = (time.perf_counter() - start_time) / len(chunk)
            for line, media in lines:
                write_line(out, line | {"seconds": round(seconds, 3)}, media)


Judged = tuple[Line, Mapping[str, Media]]  # the samples by source


def judged(
    bench: Bench, suite: Suite, answered: Sequence[Answered], indices: Sequence[int]
) -> list[Judged]:
    """The lines of these units, with the media that belong to them."""
    outcomes = suite.judge(bench, answered)
    return [
        (line_of(one, index, outcome), samples_of(one.cases, outcome) if index < SAVED else {})
        for one, index, outcome in zip(answered, indices, outcomes)
    ]


def line_of(answered: Answered, index: int, outcome: Outcome) -> Line:
    return {
        "task": answered.unit.task,
        "case": index,
        "id": answered.unit.id,
        "prompt": " // ".join(map(prompt_of, answered.cases)),
        "text": outcome.text,
        "truth": dict(outcome.truth),
        "verdict": dict(outcome.verdict),
        "scores": all_wrong(outcome).scores if answered.failed else outcome.scores,
        "numbers": dict(outcome.numbers),
        "answers": answered.texts,
        **({"likelihoods": answered.likelihoods} if any(answered.likelihoods) else {}),
        "unparsed": outcome.unparsed,
        "failed": list(answered.failed.values()),
    }


def all_wrong(outcome: Outcome) -> Outcome:
    """The outcome of a unit with a question that was not answered."""
    scores = {
        row: {**sources, "model": (0, max(1, sources["model"][1]))}
        for row, sources in outcome.scores.items()
    }
    return replace(outcome, scores=scores)


def with_control(lines: Sequence[Judged], controls: Sequence[Judged]) -> list[Judged]:
    """The lines, in which the questions without their media are the source `control`."""
    merged: list[Judged] = []
    for (line, media), (control, _) in zip(lines, controls):
        scores = {
            row: {**sources, "control": control["scores"][row]["model"]}
            for row, sources in line["scores"].items()
            if row in control["scores"]
        }
        numbers = {**line["numbers"], BLIND: control["numbers"]}
        blind = {"scores": line["scores"] | scores, "numbers": numbers, BLIND: control["answers"]}
        merged.append((line | blind, media))
    return merged


def judge_again(
    suite: Suite, plan: Plan, units: Sequence[Unit], out: Path, reader: AnswerReader | None = None
) -> Line:
    """Replace the lines of these units by what their recorded answers score; their identity.

    Raises ValueError if there are none, or if they answer another suite, mode or split.
    """
    path = out / IDENTITY
    lines = {line["id"]: line for line in read_lines(out)}
    if not path.is_file() or not lines:
        raise ValueError(f"{out} holds no answers; leave --score-only out to ask for some")
    identity: Line = read_json(path)
    for key, value in (("suite", plan.suite), ("mode", plan.mode), ("split", plan.split)):
        if identity.get(key, "") != value:
            raise ValueError(
                f"{out} holds answers of the {key} {identity.get(key)!r}, not {value!r}"
            )
    identity = {key: value for key, value in identity.items() if key != "judge"}
    identity |= {"judge": plan.judge} if plan.judge else {}
    bench = Bench(None, Judges(), out, open_extractors(plan.extractors), reader)
    if plan.extractors:
        identity["extractors"] = hashes(plan.extractors)
    for unit in units:
        if (line := lines.get(unit.id)) is None:
            continue
        again = judged(bench, suite, [recorded(unit, line, "answers")], [line["case"]])
        if BLIND in line:
            control = judged(bench, suite, [recorded(unit, line, BLIND)], [line["case"]])
            again = with_control(again, control)
        kept = [key for key in ("prompt", "files", "seconds", "likelihoods") if key in line]
        lines[unit.id] = again[0][0] | {key: line[key] for key in kept}
    with replacing(out / OUTCOMES) as temporary:
        rows = (json.dumps(line, ensure_ascii=False) + "\n" for line in lines.values())
        temporary.write_text("".join(rows), encoding="utf-8")
    write_json(identity, path)
    return identity


def write_line(out: Path, line: Line, media: Mapping[str, Media]) -> None:
    """Append a line. Media are written first, so that a line never names a missing file."""
    stem = f"{line['task']}_{line['case']:03d}".replace("/", "_")
    files = {
        source: save_sample(medium, out / SAMPLES, f"{stem}_{source.replace(' ', '_')}")
        for source, medium in media.items()
    }
    append_json_line(out / OUTCOMES, line | {"files": files})


def samples_of(cases: Sequence[Case], outcome: Outcome) -> dict[str, Media]:
    """Media by source; `asked` is the medium in the question."""
    question = media_of(cases[0].messages[-1:]) if cases else []
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

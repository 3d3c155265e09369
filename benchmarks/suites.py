"""Every published suite from end to end, on fixtures of two to four units: a table in Markdown.

    PYTHONPATH=tests python benchmarks/suites.py [--model mini] [--suites mme,pope]

The fixtures are those of the tests: the layouts as published, with grey pictures. So the figures
say that a suite runs, and nothing about a model. Suites of text answers are asked a second time
without media: then nothing is to be seen or made, and a model with a router leaves the answers to
its base LLM, as it was published.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from anygen import AnyGen
from anygen.evaluation.judges.judges import Judges
from anygen.evaluation.results import read_lines, summarize
from anygen.evaluation.runner import measure
from anygen.evaluation.suites.base import Answerer, Bench, Line
from anygen.evaluation.suites.registry import choose, find_suite
from anygen.evaluation.units import checked, chosen_units
from support.generation_suites import (
    clip,
    tone,
    write_audiocaps,
    write_compbench,
    write_dpg,
    write_geneval,
    write_isg,
    write_mmie,
    write_msrvtt,
    write_opening,
    write_triggers,
    write_vbench,
)
from support.reform import write_reform
from support.suites import (
    omnibench_row,
    passes,
    vcr_row,
    write_captions,
    write_ehub,
    write_mmbench,
    write_mme,
    write_omnibench,
    write_pope,
    write_refcoco,
    write_vcr,
    write_vqa,
)

CAPTIONS = [["a red cat", "a cat"], ["two dogs run"], ["rain falls"]]
BOXES = {"the cup": [10, 0, 20, 5], "a cat": [0, 0, 5, 5]}
TRIGGERS = [
    {"id": "1", "prompt": "Draw a flat cat on a blue background.", "media": ["image"]},
    {"id": "2", "prompt": "Play a piano.", "media": ["audio"]},
    {"id": "3", "prompt": "Why is the sky blue?", "media": []},
]
EHUB = {"VQAv2": [("There are two dogs.", ["2"]), ("many", ["2"])], "GQA": [("yes", "yes")]}
OWN_PROGRAM = "no: the benchmark's program gives its score"
OWN_NETWORK = "with the published networks as `--extractor`"


@dataclass(frozen=True)
class Fixture:
    """Data in the layout of a suite, and the rows of its results that are shown."""

    write: Callable[[Path], Path | None]
    rows: tuple[str, ...]
    official: str = "yes"  # whether the figures are computed as the published ones
    limit: int | None = None  # units of a task


FIXTURES = {
    "mme": Fixture(write_mme, ("perception", "cognition")),
    "mmbench": Fixture(
        lambda folder: write_mmbench(folder, [*passes(1), *passes(2, gold="dog")]),
        ("overall", "vanilla"),
        "what rules can read; not the leaderboard, which has a judge",
    ),
    "pope": Fixture(write_pope, ("accuracy", "f1")),
    "reform": Fixture(
        write_reform,
        ("accuracy", "format"),
        "with the authors' instructions as `instructions.json`",
        1,
    ),
    "ehub": Fixture(lambda folder: write_ehub(folder, **EHUB), ("accuracy",)),
    "vcr": Fixture(
        lambda folder: write_vcr(folder, vcr_row(0), vcr_row(1)),
        ("q_a", "qa_r", "q_ar"),
        "no: letters are asked for",
    ),
    "omnibench": Fixture(
        lambda folder: write_omnibench(folder, tone(0.5), omnibench_row(0), omnibench_row(1)),
        ("overall",),
    ),
    "vqa": Fixture(
        lambda folder: write_vqa(folder, {1: ["2"] * 10, 2: ["cat"] * 10}), ("overall",)
    ),
    "captions": Fixture(
        lambda folder: write_captions(folder, CAPTIONS),
        ("cider_d_simple", "bleu_4_simple"),
        "no: the tokenizer is ours",
    ),
    "retrieval": Fixture(
        lambda folder: write_captions(folder, CAPTIONS),
        ("image_to_text_r1", "text_to_image_r1"),
    ),
    "refcoco": Fixture(lambda folder: write_refcoco(folder, BOXES), ("REC_refcoco_unc_val",)),
    "geneval": Fixture(write_geneval, ("made",), OWN_PROGRAM),
    "compbench": Fixture(write_compbench, ("made",), OWN_PROGRAM, 1),
    "dpg": Fixture(write_dpg, ("made",), OWN_PROGRAM),
    "vbench": Fixture(write_vbench, ("made", "flicker"), OWN_PROGRAM, 1),
    "coco_images": Fixture(
        lambda folder: write_captions(folder, CAPTIONS), ("made", "fd_rgb8_n3"), OWN_NETWORK
    ),
    "audiocaps": Fixture(
        lambda folder: write_audiocaps(folder, [("a", tone(0.5)), ("b", tone(0.1))]),
        ("made", "fd_logmel64_n2"),
        OWN_NETWORK,
    ),
    "msrvtt": Fixture(
        lambda folder: write_msrvtt(folder, [("v", clip(*range(16)))]), ("made",), OWN_NETWORK
    ),
    "triggers": Fixture(
        lambda folder: write_triggers(folder, TRIGGERS), ("precision", "recall"), "ours"
    ),
    "stories": Fixture(lambda folder: None, ("structure", "number"), "ours", 1),
    "isg": Fixture(write_isg, ("structure",), "the structure; its judge gives the rest"),
    "opening": Fixture(write_opening, ("structure",), "no: votes in pairs are"),
    "mmie": Fixture(write_mmie, ("structure",), "no: its judge gives the score"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Every published suite from end to end.")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--suites", default=",".join(FIXTURES))
    settings = parser.parse_args()
    model, judges = AnyGen.from_pretrained(settings.model), Judges()
    lines = [
        "| suite | units | figure | model | base LLM | official |",
        "|---|--:|---|--:|--:|---|",
    ]
    for name in settings.suites.split(","):
        lines += table_rows(name, results_of(name, model, judges))
    print("\n".join(lines))


def results_of(name: str, model: Answerer, judges: Judges) -> Line:
    """The summary of a suite's fixture, with `control` where it is asked without media, too."""
    suite, fixture = find_suite(name), FIXTURES[name]
    with TemporaryDirectory() as folder:
        data, out = Path(folder, "data"), Path(folder, "out")
        data.mkdir()
        out.mkdir()
        units = chosen_units(
            checked(suite.read(choose(suite, fixture.write(data), "", ""))), (), fixture.limit
        )
        answered = all(unit.answers is not None for unit in units)
        blind = not (suite.needs_model or suite.makes_media or answered)
        bench = Bench(None if answered else model, judges, out)
        measure(bench, suite, units, out, 0, blind)
        return summarize(read_lines(out), name)


def table_rows(name: str, results: Line) -> Iterator[str]:
    """A line for each figure; the base LLM's is that of the questions without media."""
    suite, fixture = find_suite(name), FIXTURES[name]
    needs_media = suite.makes_media or suite.needs_model  # its control, if any, is another
    for row in fixture.rows:
        found = results["rows"][row]
        base = "-" if needs_media else found.get("control", {}).get("value", "-")
        scale = f" {found['scale']}" if found["scale"] else ""
        yield (
            f"| `{name}` | {found['units']} | `{row}`{scale} | {found['value']} | {base} "
            f"| {fixture.official} |"
        )


if __name__ == "__main__":
    main()

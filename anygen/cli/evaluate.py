"""`anygen evaluate`: measures a model, and compares the results of two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anygen.cli.options import (
    DeviceMapOption,
    DeviceOption,
    DtypeOption,
    OffloadOption,
    QuantOption,
    SeedOption,
    read_placement,
)

evaluation = typer.Typer(invoke_without_command=True)


@evaluation.callback()
def evaluate(  # noqa: PLR0913  # the options of a command
    context: typer.Context,
    suite: Annotated[
        str,
        typer.Option(help="The set of questions: a name (anygen evaluate list), or FILE.py."),
    ] = "world",
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", help="A model's name or folder, or an endpoint: URL or URL#NAME."
        ),
    ] = "mini",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder for results and samples.")
    ] = Path("results"),
    data: Annotated[
        Path | None, typer.Option(help="The folder of the suite's data, in its published layout.")
    ] = None,
    mode: Annotated[
        str, typer.Option(help="How the suite asks or counts.", show_default="the suite's first")
    ] = "",
    split: Annotated[str, typer.Option(help="A part of the data.", show_default="all")] = "",
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="The most units of each task.", show_default="all"),
    ] = None,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            help="Rows of the table, such as sound_name,sound_pattern.", show_default="all"
        ),
    ] = None,
    blind: Annotated[
        bool, typer.Option("--blind", help="Ask without media, too: what is only guessed?")
    ] = False,
    extractor: Annotated[
        list[str] | None,
        typer.Option(
            help="KIND=FOLDER, a network of published scores: see docs/evaluate.md.",
            show_default="none",
        ),
    ] = None,
    score_only: Annotated[
        bool, typer.Option("--score-only", help="Judge the answers in --out again.")
    ] = False,
    judge: Annotated[
        str,
        typer.Option(
            help="A language model, URL#NAME, that reads answers where rules fail.",
            show_default="none",
        ),
    ] = "",
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    dtype: DtypeOption = None,
    quant: QuantOption = None,
    offload: OffloadOption = "none",
    device_map: DeviceMapOption = None,
) -> None:
    """Measure a model on held-out questions, into a table, a report and samples."""
    if context.invoked_subcommand:
        return
    from anygen.evaluation.features.extractors import parse_extractors
    from anygen.evaluation.runner import Plan, run

    place = read_placement(device, dtype, quant, offload, device_map)
    names = ",".join(rows).split(",") if rows else ()
    folders = parse_extractors(extractor or ())
    plan = Plan(suite, data, mode, split, limit, names, seed, blind, folders, judge)
    run(model, plan, out, place, score_only)


@evaluation.command("list")
def list_suites() -> None:
    """The suites, with their modes and splits."""
    from anygen.evaluation.suites.registry import describe

    for line in describe():
        print(line)


@evaluation.command("export")
def export_results(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="The results of one model.")],
    data: Annotated[Path, typer.Option(help="The folder of the suite's data.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.")] = Path(
        "exported"
    ),
) -> None:
    """Write the answers as the files of a suite's own program, or of VLMEvalKit."""
    from anygen.evaluation.exports import export

    for path in export(results, data, out):
        print(path)


@evaluation.command()
def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="A B...", help="The results of two or more on the same cases."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML page to write.")] = Path(
        "compare.html"
    ),
) -> None:
    """Compare results: are others better than A? The page of two has the answers that differ."""
    from anygen.evaluation.leaderboard import compare_all

    for line in compare_all(folders, out):
        print(line)


@evaluation.command()
def leaderboard(
    folder: Annotated[Path, typer.Argument(help="A folder with folders of results.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML page to write.")] = Path(
        "leaderboard.html"
    ),
) -> None:
    """Show all results below a folder, a table for each suite."""
    from anygen.evaluation.leaderboard import leaderboard

    for line in leaderboard(folder, out):
        print(line)

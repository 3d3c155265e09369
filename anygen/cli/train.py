"""`anygen train`, `pack` and `convert`: training runs, and models from their weights or others'."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anygen.cli.options import OverridesArgument, SystemArgument


def train(
    config: Annotated[str, typer.Argument(help="The name of a run in configs/, or a YAML file.")],
    overrides: OverridesArgument = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            help="A setting that may differ from the one that the run has been trained with so far."
        ),
    ] = None,
) -> None:
    """Run a training stage, for example: anygen train mini/vae_image steps=100

    The same command again continues a run that was stopped.
    """
    import logging

    from anygen.training.runs.progress import PresentStderr
    from anygen.training.trainer import train

    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[PresentStderr()])
    print(train(config, overrides or [], change or []))


def pack(
    system: SystemArgument,
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs; later ones win.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the new model.")] = Path(
        "out/model"
    ),
) -> None:
    """Combine the weights of finished training runs into a model."""
    from anygen.training.packing import pack

    pack(system, runs, out)
    print(out)


def convert_checkpoint(
    source: Annotated[Path, typer.Argument(help="The folder of the checkpoint, or its only file.")],
    layout: Annotated[
        str,
        typer.Option(
            "--from",
            help="The system that the checkpoint is of: "
            "nextgpt_7b_tiva_v0, nextgpt_rewrite, dreamllm, pandagpt or llava.",
        ),
    ],
    system: Annotated[
        str, typer.Option(help="The name of the new system in configs/, or a YAML file.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the new model.")],
    partial: Annotated[
        str | None,
        typer.Option(help="Only these parts, such as input_projector,llm.", show_default="all"),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write what became of every key to this file, even after a refusal."),
    ] = None,
) -> None:
    """Import a checkpoint of another system as a model; all of its weights have to fit.

    With --partial the result is like the folder of a training run, for `init` in the YAML file of
    another run or for anygen pack.
    """
    from anygen.importers.conversion import NotFittingError, import_checkpoint, write_report

    try:
        key_report = import_checkpoint(
            source, layout, system, out, partial.split(",") if partial else ()
        )
    except NotFittingError as refused:
        if report:
            write_report(refused.report, report)
        raise
    if report:
        write_report(key_report, report)
    print(f"{key_report.summary()}: {out}")

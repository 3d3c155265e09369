"""`anygen train`, `pack` and `convert`: runs, and models made of their weights or of others'."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anygen.cli.options import (
    LayoutOption,
    OutOption,
    OverridesArgument,
    PartsOption,
    ReportOption,
)


def train(
    config: Annotated[str, typer.Argument(help="A name in configs/ or a YAML file.")],
    overrides: OverridesArgument = None,
) -> None:
    """Run one training stage, as in: anygen train mini/vae_image steps=100"""
    import logging

    from anygen.training.trainer import train

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    print(train(config, overrides or []))


def pack(
    system: Annotated[str, typer.Argument(help="A system in configs/ or its YAML file.")],
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs, later ones win.")],
    out: OutOption = Path("out/model"),
) -> None:
    """Join the weights of finished training runs into a model's folder."""
    from anygen.training.packing import pack

    pack(system, runs, out)
    print(out)


def convert_checkpoint(  # the options of a command
    source: Annotated[Path, typer.Argument(help="The checkpoint's folder, or its only file.")],
    layout: LayoutOption,
    system: Annotated[str, typer.Option(help="A system in configs/ or its YAML file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The model's folder, a new one.")],
    partial: PartsOption = None,
    report: ReportOption = None,
) -> None:
    """Make a model of weights that another system was trained to; nothing is half converted.

    With --partial the folder is that of a training run: for init: in a run, or anygen pack.
    """
    from anygen.importers.conversion import NotFittingError, import_checkpoint, write_report

    try:
        account = import_checkpoint(
            source, layout, system, out, partial.split(",") if partial else ()
        )
    except NotFittingError as refused:
        if report:
            write_report(refused.account, report)
        raise
    if report:
        write_report(account, report)
    print(f"{account.summary()}: {out}")

"""`anygen evaluate`: figures of a model, and whether one of two is better."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anygen.cli.options import (
    DeviceMapOption,
    DeviceOption,
    DtypeOption,
    ModelOption,
    OffloadOption,
    QuantOption,
    SeedOption,
    read_placement,
)

evaluation = typer.Typer(invoke_without_command=True)


@evaluation.callback()
def evaluate(  # noqa: PLR0913  # the options of a command
    context: typer.Context,
    suite: Annotated[str, typer.Option(help="Which questions to ask.")] = "world",
    model: ModelOption = "mini",
    out: Annotated[Path, typer.Option("--out", "-o", help="Where figures and samples go.")] = Path(
        "results"
    ),
    limit: Annotated[int | None, typer.Option(min=1, help="Cases per row. [default: all]")] = None,
    rows: Annotated[
        list[str] | None, typer.Option(help="Rows of the table, as in sound_name,sound_pattern.")
    ] = None,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
    dtype: DtypeOption = None,
    quant: QuantOption = None,
    offload: OffloadOption = "none",
    device_map: DeviceMapOption = None,
) -> None:
    """Measure a model on held-out questions: a table, report.html and samples in --out."""
    if context.invoked_subcommand:
        return
    from anygen.evaluation.runner import run

    place = read_placement(device, dtype, quant, offload, device_map)
    run(model, suite, out, limit, seed, ",".join(rows).split(",") if rows else None, place)


@evaluation.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A folder of results.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another, of the same cases.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path(
        "compare.html"
    ),
) -> None:
    """Tell whether B is better than A: a table, and a page with the answers that changed."""
    from anygen.evaluation.comparison import compare

    for line in compare(first, second, out):
        print(line)

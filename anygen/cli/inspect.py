"""`anygen models`, `config`, `plan` and `doctor`: what is installed, and what it needs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from anygen.cli.options import (
    DtypeOption,
    ModelOption,
    OffloadOption,
    OverridesArgument,
    QuantOption,
    SystemArgument,
    named_placement,
)


def config(
    name: Annotated[str, typer.Argument(help="A name in configs/, or a YAML file.")],
    overrides: OverridesArgument = None,
) -> None:
    """Print a system or a training run with its defaults filled in and settings changed."""
    from anygen.config.loader import check_plugins, find_config, load, read_settings, to_yaml
    from anygen.config.run import Run
    from anygen.config.system import System

    kind = Run if "stage" in read_settings(find_config(name)) else System
    document = load(kind, name, overrides)
    if isinstance(document, System):
        check_plugins(document)
    print(to_yaml(document), end="")


def plan(  # noqa: PLR0913  # the options of a command
    config: SystemArgument,
    overrides: OverridesArgument = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            help="As in chat; repeat it for a machine with several devices.", show_default="auto"
        ),
    ] = None,
    dtype: DtypeOption = None,
    quant: QuantOption = None,
    offload: OffloadOption = "none",
    memory: Annotated[
        str | None,
        typer.Option(help="The memory of each device, such as 24GB.", show_default="what it has"),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, max=1024, help="Dialogues in a training step.")] = 1,
    length: Annotated[
        int, typer.Option(min=1, max=2**20, help="Positions in each dialogue.")
    ] = 512,
    gradient_checkpointing: Annotated[
        bool,
        typer.Option(
            "--gradient-checkpointing", help="Plan training as runs with this setting do it."
        ),
    ] = False,
    packing: Annotated[
        bool,
        typer.Option("--packing", help="Plan rows of --length positions that dialogues share."),
    ] = False,
    optimizer: Annotated[
        str, typer.Option(help="That of the runs: adamw, adamw_8bit or adafactor.")
    ] = "adamw",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print bytes as JSON, for programs.")
    ] = False,
) -> None:
    """Estimate the memory that a system needs, without loading it."""
    from anygen.core.schema import validate
    from anygen.memory.planner import TrainingSteps, planner
    from anygen.memory.report import AvailableMemory, as_json_text, report_lines

    first, *others = device or ["auto"]
    place = named_placement(first, dtype, quant, offload).resolved()
    available = AvailableMemory.of([place.device, *others], memory)
    with planner(config, overrides or []) as found:
        settings: dict[str, Any] = {"rows": rows, "length": length}
        settings |= {"checkpointing": gradient_checkpointing, "packing": packing}
        steps = validate(TrainingSteps, settings | {"optimizer": optimizer})
        needs = found.needs(place, steps)
        if as_json:
            print(as_json_text(needs, place))
            return
        for line in report_lines(found, needs, place, steps, available):
            print(line)


def models() -> None:
    """List the models that can be run and the systems that can be trained."""
    from anygen.checkpoints.catalog import as_line, entries

    for entry in entries():
        print(as_line(entry))


def doctor(
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Also generate a picture, a sound and a video.")
    ] = False,
    model: ModelOption = "mini",
) -> None:
    """Check this installation: what works, what is missing, and what to do about it."""
    from anygen.doctor.checks import examine
    from anygen.doctor.findings import print_findings

    if not print_findings(examine(model, smoke)):
        raise typer.Exit(2)

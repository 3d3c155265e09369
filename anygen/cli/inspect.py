"""`anygen config`, `plan`, `models` and `doctor`: a look at what is here and what it needs."""

from __future__ import annotations

from typing import Annotated

import typer

from anygen.cli.options import (
    DtypeOption,
    ModelOption,
    OffloadOption,
    OverridesArgument,
    QuantOption,
    named_placement,
)


def config(
    name: Annotated[str, typer.Argument(help="A name in configs/ or a YAML file.")],
    overrides: OverridesArgument = None,
) -> None:
    """Show a system or a run as it would be used: defaults filled in, settings changed."""
    from anygen.config.loader import find_config, load, read_settings, to_yaml
    from anygen.config.run import Run
    from anygen.config.system import System

    kind = Run if "stage" in read_settings(find_config(name)) else System
    print(to_yaml(load(kind, name, overrides)), end="")


def plan(  # noqa: PLR0913  # the options of a command
    config: Annotated[str, typer.Argument(help="A system in configs/ or its YAML file.")],
    overrides: OverridesArgument = None,
    device: Annotated[
        list[str] | None, typer.Option(help="As in chat; again for more of them. [default: cpu]")
    ] = None,
    dtype: DtypeOption = None,
    quant: QuantOption = None,
    offload: OffloadOption = "none",
    memory: Annotated[
        str | None, typer.Option(help="Of each device, as in 24GB. [default: what it has]")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Dialogues in a training step.")] = 1,
    length: Annotated[int, typer.Option(min=1, help="Positions of each of them.")] = 512,
    as_json: Annotated[bool, typer.Option("--json", help="Bytes, to be read on.")] = False,
) -> None:
    """Tell what a system needs of memory, and how it fits; nothing is loaded for that."""
    from anygen.memory.planner import planner
    from anygen.memory.report import Room, as_json_text, lines

    devices = device or ["cpu"]
    place = named_placement(devices[0], dtype, quant, offload).resolved()
    room = Room.of([place.device, *devices[1:]], memory)
    with planner(config, overrides or []) as found:
        needs = found.needs(place, rows, length)
        for line in [as_json_text(needs, place)] if as_json else lines(found, needs, place, room):
            print(line)


def models() -> None:
    """List what can be run: the shipped models, and the systems that can be trained."""
    from anygen.checkpoints.catalog import as_line, entries

    for entry in entries():
        print(as_line(entry))


def doctor(
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Also make a picture, a sound and a video.")
    ] = False,
    model: ModelOption = "mini",
) -> None:
    """Look at this installation: what works, what is missing, and what to do about it."""
    from anygen.doctor.checks import examine
    from anygen.doctor.findings import show

    if not show(examine(model, smoke)):
        raise typer.Exit(2)

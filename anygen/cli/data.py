"""`anygen data`: training data from other formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

data = typer.Typer(no_args_is_help=True, help="Prepare training data.")


@data.command()
def convert(
    sources: Annotated[list[Path], typer.Argument(help="Chats saved as .json.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The JSONL file to write.")],
    layout: Annotated[
        str, typer.Option("--from", help="The format of the sources: transcript.")
    ] = "transcript",
) -> None:
    """Convert dialogues to training records, one JSON object per line."""
    from anygen.conversation.to_records import convert

    if layout != "transcript":
        raise ValueError(f"no format {layout!r}; choose transcript")
    print(f"{convert(sources, out)} records: {out}")

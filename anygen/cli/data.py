"""`anygen data`: records to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

data = typer.Typer(no_args_is_help=True, help="Training data.")


@data.command()
def convert(
    sources: Annotated[list[Path], typer.Argument(help="Chats that /save wrote as .json.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file of records.")],
    form: Annotated[str, typer.Option("--from", help="transcript")] = "transcript",
) -> None:
    """Turn dialogues into records, one JSON object per line, to train on."""
    from anygen.conversation.to_records import convert

    if form != "transcript":
        raise ValueError(f"no format {form!r}; there is transcript")
    print(f"{convert(sources, out)} records: {out}")

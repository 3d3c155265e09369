"""`anygen data`: training data from the layouts of others, and from saved chats."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from anygen.cli.records import existing_folder

data = typer.Typer(no_args_is_help=True, help="Prepare training data.")


LAYOUTS = (
    *("alpaca", "captions", "chat", "lamm", "llamafactory", "llava", "m3it", "mimicit", "minigpt4"),
    *("mmc4", "multiinstruct", "nextgpt", "obelics", "openai", "parquet", "records", "sharegpt"),
    *("spider", "swift", "webdataset"),
)
WRITERS = ("llamafactory", "llava", "openai", "records", "swift")


@data.command()
def convert(  # noqa: PLR0913  # the options of a command
    sources: Annotated[list[Path], typer.Argument(help="Files, or folders of files.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    layout: Annotated[
        str, typer.Option("--from", help=f"The layout of the sources: {', '.join(LAYOUTS)}.")
    ],
    writer: Annotated[
        str, typer.Option("--to", help=f"The layout to write: {', '.join(WRITERS)}.")
    ] = "records",
    media: Annotated[
        Path | None,
        typer.Option(
            help="The folder of the media that rows name; by default, that of the file.",
            callback=existing_folder,
        ),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="The licence of the data set, for every record.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help=r"An identifier such as \[vqa] that begins every message of a user."),
    ] = None,
) -> None:
    """Convert published data and saved chats to training records, one JSON object per line."""
    from anygen.conversation.to_records import read_chat
    from anygen.io.media_files import printable
    from mosit_data.formats.convert import Job, convert, refused_path
    from mosit_data.formats.layouts import LAYOUTS, Layout, find
    from mosit_data.formats.markers import plural

    media_count = partial(plural, noun="medium", several="media")
    source = find(layout, {**LAYOUTS, "chat": Layout(read_chat, suffixes=(".json",))})
    counts = convert(Job(source, sources, out, writer, media, licence, task))
    print(f"{plural(counts.kept, 'row')} kept: {printable(out)}")
    if counts.refused:
        print(f"{plural(counts.refused, 'row')} refused: {printable(refused_path(out))}")
    if counts.unread:
        names = ", ".join(f"{printable(name)} ({n})" for name, n in counts.unread.most_common(8))
        more = f", and {len(counts.unread) - 8} more" if len(counts.unread) > 8 else ""
        print(f"not read, in so many rows: {names}{more}")
    if counts.outside:
        print(
            f"{media_count(counts.outside)} outside the folder of {printable(out)}; write it "
            "beside or above the media if the set is to be moved"
        )
    if counts.without_file:
        print(f"{media_count(counts.without_file)} of the assistant with a caption and no file")
    if counts.without_caption:
        print(
            f"{media_count(counts.without_caption)} of the assistant without a caption; write one "
            "before training"
        )
    if counts.as_text:
        print(
            f"{media_count(counts.as_text)} of the assistant written as text, "
            f"<Image>caption</Image>: {writer} has no place for such"
        )

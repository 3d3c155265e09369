"""`anygen data`: training data from the layouts of others, and from saved chats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
        typer.Option(help="The folder of the media that rows name; by default, that of the file."),
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
            f"{counts.outside} media do not lie below the folder of {printable(out)}; write it "
            "beside or above them if the set is to be moved"
        )
    if counts.without_file:
        print(f"{counts.without_file} media of the assistant are captions without a file")
    if counts.without_caption:
        print(
            f"{counts.without_caption} media of the assistant have no caption; write one before "
            "training"
        )
    if counts.as_text:
        print(
            f"{counts.as_text} media of the assistant are written as text, <Image>caption</Image>: "
            f"{writer} has no place for them"
        )

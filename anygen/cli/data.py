"""`anygen data`: training data from the layouts of others, and from saved chats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

data = typer.Typer(no_args_is_help=True, help="Prepare training data.")


LAYOUTS = (
    *("alpaca", "captions", "chat", "lamm", "llamafactory", "llava", "m3it", "mimicit", "minigpt4"),
    *("mmc4", "multiinstruct", "nextgpt", "obelics", "openai", "parquet", "records", "sharegpt"),
    *("spider", "swift", "webdataset"),
)
PRESETS = ("mosit",)  # of `build`
WRITERS = ("llamafactory", "llava", "openai", "records", "swift")


@data.command()
def convert(  # the options of a command
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
) -> None:
    """Convert published data and saved chats to training records, one JSON object per line."""
    from anygen.conversation.to_records import read_chat
    from anygen.io.media_files import printable
    from mosit_data.formats.convert import Job, convert, refused_path
    from mosit_data.formats.layouts import LAYOUTS, Layout, find
    from mosit_data.formats.markers import plural

    reader = find(layout, {**LAYOUTS, "chat": Layout(read_chat)}).read
    counts = convert(Job(reader, sources, out, writer, media, licence))
    print(f"{plural(counts.kept, 'row')} kept: {printable(out)}")
    if counts.refused:
        print(f"{plural(counts.refused, 'row')} refused: {printable(refused_path(out))}")
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


@data.command()
def build(  # noqa: PLR0913  # the options of a command
    preset: Annotated[str, typer.Argument(help=f"What to build: {', '.join(PRESETS)}.")],
    topics: Annotated[Path, typer.Option(help="A text file with a topic on each line.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    writer: Annotated[
        str,
        typer.Option(help="What writes: grammar, which needs no LLM, or endpoint, an LLM's URL."),
    ] = "grammar",
    url: Annotated[
        str, typer.Option(help="Of an OpenAI-compatible endpoint; its key is in ANYGEN_API_KEY.")
    ] = "http://localhost:8000/v1",
    model: Annotated[str, typer.Option(help="The name of the endpoint's model.")] = "default",
    count: Annotated[int, typer.Option(min=1, help="How many dialogues to write.")] = 1000,
    seed: Annotated[int, typer.Option(help="Another one gives other dialogues.")] = 0,
) -> None:
    """Build dialogues with media of the small world; the same arguments give the same bytes."""
    from anygen.core.schema import did_you_mean
    from anygen.io.media_files import printable
    from mosit_data.build.endpoint import EndpointWriter
    from mosit_data.build.jobs import read_topics
    from mosit_data.build.pipeline import FILES, build
    from mosit_data.build.writers import GrammarWriter, Writer

    writers: dict[str, Callable[[], Writer]] = {
        "grammar": GrammarWriter,
        "endpoint": lambda: EndpointWriter(url, model),
    }
    for name, known, kind in ((preset, PRESETS, "preset"), (writer, writers, "writer")):
        if name not in known:
            guess = did_you_mean(name, known) or f"; there is {', '.join(known)}"
            raise ValueError(f"no {kind} {name!r}{guess}")
    built = build(read_topics(topics), count, seed, writers[writer](), out)
    for split, file in FILES.items():
        print(f"{len(built.records[split])} dialogues: {printable(out / file)}")
    if built.refused:
        reasons = ", ".join(f"{reason} {number}" for reason, number in built.reasons.items())
        print(f"{len(built.refused)} refused ({reasons}): {printable(out / 'refused.jsonl')}")

"""`anygen data build` and `review`: dialogues about topics or media, and a look through them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mosit_data.build.jobs import Medium
    from mosit_data.build.pipeline import Build
    from mosit_data.build.presets.base import Preset
    from mosit_data.build.writers import Writer
    from mosit_data.formats.rows import Refusal

PRESETS = ("lamm", "llava", "lvis", "minigpt4", "mosit", "multiinstruct", "syphus", "valley")
STAGES = ("plan", "write", "parse", "ground", "check", "dedup", "split", "pack")
WRITERS = ("grammar", "endpoint")


def build(  # noqa: PLR0913  # the options of a command
    preset: Annotated[str, typer.Argument(help=f"What to build: {', '.join(PRESETS)}.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    topics: Annotated[
        Path | None, typer.Option(help="For mosit: a text file with a topic on each line.")
    ] = None,
    captions: Annotated[
        Path | None,
        typer.Option(
            help="Media with captions that dialogues are about: a folder or a table.",
            show_default="the small world",
        ),
    ] = None,
    writer: Annotated[
        str,
        typer.Option(help="What writes: grammar, which needs no LLM, or endpoint, an LLM's URL."),
    ] = "grammar",
    url: Annotated[
        str, typer.Option(help="Of an OpenAI-compatible endpoint; its key is in ANYGEN_API_KEY.")
    ] = "http://localhost:8000/v1",
    model: Annotated[str, typer.Option(help="The name of the endpoint's model.")] = "default",
    rate: Annotated[
        float, typer.Option(min=0, help="Requests per minute at most; 0 is no limit.")
    ] = 0,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for an answer of the endpoint.")
    ] = 300,
    count: Annotated[int, typer.Option(min=1, help="How many dialogues to write.")] = 1000,
    seed: Annotated[int, typer.Option(help="Another one gives other dialogues.")] = 0,
    licence: Annotated[
        str | None, typer.Option(help="The licence of the set, for every record.")
    ] = None,
    until: Annotated[
        str, typer.Option(help=f"The last stage to run: {', '.join(STAGES)}.")
    ] = "pack",
) -> None:
    """Build dialogues in the manner of published sets; the same arguments give the same bytes."""
    from mosit_data.build.endpoint import EndpointWriter
    from mosit_data.build.pipeline import Order, build
    from mosit_data.build.presets.base import Source
    from mosit_data.build.presets.table import PRESETS as TABLE
    from mosit_data.build.topics import read_topics
    from mosit_data.build.writers import GrammarWriter

    choose("preset", preset, PRESETS)
    choose("writer", writer, WRITERS)
    choose("stage", until, STAGES)
    check_needs(preset, TABLE[preset], topics, captions, writer)
    chosen: Writer = GrammarWriter()
    if writer == "endpoint":
        chosen = EndpointWriter(url, model, timeout=timeout, rate=rate)
    media, refused = read_captions(captions, out)
    source = Source(read_topics(topics) if topics else (), media)
    order = Order(preset, source, count, chosen, out, seed, licence=licence, refused=refused)
    show(build(order, until), until)


def choose(kind: str, name: str, known: Sequence[str]) -> None:
    """Raises ValueError for a name that is not known."""
    from anygen.core.schema import did_you_mean

    if name not in known:
        guess = did_you_mean(name, known) or f"; there is {', '.join(known)}"
        raise ValueError(f"no {kind} {name!r}{guess}")


def check_needs(
    name: str, preset: Preset, topics: Path | None, captions: Path | None, writer: str
) -> None:
    """Raises ValueError if an option is missing, or has no effect."""
    if preset.needs_topics != (topics is not None):
        need = "needs --topics, a text file" if preset.needs_topics else "has no use for --topics"
        raise ValueError(f"{name} {need}")
    if captions and writer == "grammar" and not preset.grammar_reads_captions:
        raise ValueError(
            f"{name}: the grammar writes about the small world alone; for captions of yours, give "
            "--writer endpoint"
        )


def read_captions(path: Path | None, out: Path) -> tuple[list[Medium] | None, list[Refusal]]:
    """The media that can be read, and rows that cannot; None for the small world."""
    from anygen.io.media_files import printable
    from mosit_data.build.subjects import read_media
    from mosit_data.formats.rows import Refusal

    if path is None:
        return None, []
    if not path.exists():
        raise ValueError(f"{printable(path)}: no such file or folder")
    rows = list(read_media(path, out))
    media = [row for row in rows if not isinstance(row, Refusal)]
    refused = [row for row in rows if isinstance(row, Refusal)]
    if not media:
        first = f"; first: {refused[0].place}: {refused[0].reason}" if refused else ""
        raise ValueError(f"{printable(path)}: holds no medium with a caption{first}")
    return media, refused


def show(built: Build, until: str) -> None:
    from anygen.io.media_files import printable
    from mosit_data.build.pipeline import FILES

    out = built.order.out
    if until in ("split", "pack"):
        for split, file in FILES.items():
            print(f"{built.kept(split)} dialogues: {printable(out / file)}")
    else:
        print(f"{len(built.dialogues)} dialogues after the stage {until}: {printable(out)}")
    if built.refused:
        reasons = ", ".join(f"{reason} {number}" for reason, number in built.reasons.items())
        print(f"{len(built.refused)} refused ({reasons}): {printable(out / 'refused.jsonl')}")

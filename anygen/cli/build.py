"""`anygen data build` and `review`: dialogues about topics or media, and a look through them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mosit_data.build.grounding import Grounder
    from mosit_data.build.jobs import Medium
    from mosit_data.build.pipeline import Build
    from mosit_data.build.presets.base import Preset
    from mosit_data.build.writers import Writer
    from mosit_data.formats.rows import Refusal

PRESETS = ("lamm", "llava", "lvis", "minigpt4", "mosit", "multiinstruct", "syphus", "valley")
STAGES = ("plan", "write", "parse", "ground", "check", "dedup", "split", "pack")
WRITERS = ("grammar", "endpoint", "local")
GROUNDERS = ("job", "search", "generate")


def build(  # noqa: PLR0913  # the options of a command
    preset: Annotated[str, typer.Argument(help=f"What to build: {', '.join(PRESETS)}.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    topics: Annotated[
        Path | None, typer.Option(help="For mosit: a text file with a topic on each line.")
    ] = None,
    character: Annotated[
        Path | None,
        typer.Option(help="For mosit: a YAML file with the assistant's system prompt and phrases."),
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
        typer.Option(
            help="What writes: grammar, without an LLM; endpoint, an LLM's URL; or local, an LLM "
            "or a model on this machine."
        ),
    ] = "grammar",
    url: Annotated[
        str, typer.Option(help="Of an OpenAI-compatible endpoint; its key is in ANYGEN_API_KEY.")
    ] = "http://localhost:8000/v1",
    model: Annotated[
        str, typer.Option(help="The model that writes: the endpoint's name of it, or a folder.")
    ] = "default",
    rate: Annotated[
        float, typer.Option(min=0, help="Requests per minute at most; 0 is no limit.")
    ] = 0,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for an answer of the endpoint.")
    ] = 300,
    ground: Annotated[
        str,
        typer.Option(
            help="For mosit, where media come from: job, those that the plan names; search, the "
            "nearest in --media; or generate, our decoders."
        ),
    ] = "job",
    media: Annotated[
        Path | None, typer.Option(help="For --ground search: a folder; no captions are needed.")
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(min=-1, max=1, help="For --ground search: the least cosine with a caption."),
    ] = 0.6,
    using: Annotated[
        str, typer.Option(help="For --ground search and generate: the model of anygen.")
    ] = "mini",
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
    from mosit_data.build.character import read_character
    from mosit_data.build.pipeline import Order, build
    from mosit_data.build.presets.base import Source
    from mosit_data.build.presets.table import PRESETS as TABLE
    from mosit_data.build.topics import read_topics

    choose("preset", preset, PRESETS)
    choose("writer", writer, WRITERS)
    choose("stage", until, STAGES)
    ground = "search" if media and ground == "job" else ground
    choose("way to ground", ground, GROUNDERS)
    check_needs(preset, TABLE[preset], topics, captions, writer)
    if character and not TABLE[preset].needs_topics:
        raise ValueError(f"{preset} has no use for --character")
    check_grounding(preset, TABLE[preset], ground, media, captions)
    subjects, refused = read_captions(captions, out)
    grounder, unreadable = open_grounder(ground, media, out, threshold, using)
    order = Order(
        preset,
        Source(
            read_topics(topics) if topics else (),
            subjects,
            grounder.own_captions,
            grounder.modalities,
            read_character(character) if character else None,
        ),
        count,
        open_writer(writer, url, model, timeout, rate),
        out,
        seed,
        grounder,
        licence,
        [*refused, *unreadable],
    )
    show(build(order, until), until)


def review(
    file: Annotated[Path, typer.Argument(help="A JSONL file of records.")],
    rows: Annotated[int, typer.Option(min=1, help="How many to show, at random.")] = 100,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path(
        "review.html"
    ),
    seed: Annotated[int, typer.Option(help="Which rows are shown.")] = 0,
) -> None:
    """Write a page to keep, drop or mend dialogues; build and split do as it decides."""
    from anygen.building.review import write_review
    from anygen.training.data.sources import find_files
    from mosit_data.build.decisions import decisions_path
    from mosit_data.formats.markers import plural

    if len(found := find_files(str(file))) > 1:
        raise ValueError(f"{file}: {len(found)} files have such a name; review one at a time")
    page, count = write_review(found[0], rows, seed, out)
    print(
        f"{plural(count, 'dialogue')} without a decision: {page}; decisions: {decisions_path(file)}"
    )


def open_writer(name: str, url: str, model: str, timeout: float, rate: float) -> Writer:
    """Raises ValueError, OSError."""
    from mosit_data.build.endpoint import EndpointWriter
    from mosit_data.build.writers import GrammarWriter

    if name == "endpoint":
        return EndpointWriter(url, model, timeout=timeout, rate=rate)
    if name == "local":
        from anygen.building.local_writer import LocalWriter

        return LocalWriter("mini" if model == "default" else model)
    return GrammarWriter()


def check_grounding(
    name: str, preset: Preset, ground: str, media: Path | None, captions: Path | None
) -> None:
    """Raises ValueError if the way to ground does not fit the other options."""
    from anygen.io.media_files import printable

    if ground != "job" and not preset.needs_topics:
        raise ValueError(f"{name}: its media are those it is about; --ground {ground} is for mosit")
    if ground != "job" and captions:
        raise ValueError(f"--captions names the media of the dialogues; omit --ground {ground}")
    if (ground == "search") != (media is not None):
        need = "needs --media, a folder" if ground == "search" else "has no use for --media"
        raise ValueError(f"--ground {ground} {need}")
    if media and not media.is_dir():
        raise ValueError(f"{printable(media)}: no such folder")


def open_grounder(
    ground: str, media: Path | None, out: Path, threshold: float, using: str
) -> tuple[Grounder, list[Refusal]]:
    """Raises ValueError, OSError."""
    from mosit_data.build.grounding import JobGrounder

    if ground == "job":
        return JobGrounder(), []
    from anygen.anygen import AnyGen
    from anygen.building.media import open_making, open_search

    model = AnyGen.from_pretrained(using)
    if media:
        return open_search(model, media, out, threshold)
    return open_making(model, out), []


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
    from mosit_data.formats.markers import plural

    out = built.order.out
    if until in ("split", "pack"):
        for split, file in FILES.items():
            print(f"{plural(built.kept(split), 'dialogue')}: {printable(out / file)}")
    else:
        count = plural(len(built.dialogues), "dialogue")
        print(f"{count} after the stage {until}: {printable(out)}")
    if built.refused:
        reasons = ", ".join(f"{reason} {number}" for reason, number in built.reasons.items())
        print(f"{len(built.refused)} refused ({reasons}): {printable(out / 'refused.jsonl')}")

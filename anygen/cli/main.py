"""The commands. Each imports late, so that `anygen --help` is instant."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from anygen.cli.options import (
    DeviceMapOption,
    DeviceOption,
    DtypeOption,
    LayoutOption,
    LengthOption,
    MetadataOption,
    ModalitiesOption,
    ModelOption,
    OffloadOption,
    OutOption,
    OverridesArgument,
    PartsOption,
    QuantOption,
    ReportOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    named_placement,
    read_options,
    read_placement,
    use_threads,
)
from anygen.core.version import __version__

if TYPE_CHECKING:
    from anygen import AnyGen
    from anygen.batch.runner import Settings as Batch
    from anygen.config.placement import Placement

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
evaluation = typer.Typer(invoke_without_command=True)
app.add_typer(evaluation, name="evaluate")


def main() -> NoReturn:
    """Runs a command; what the user can mend is one line on stderr and exit code 2."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, OSError) as error:
        for line in sentences(error):
            print(f"anygen: {line}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0)


def sentences(error: ValueError | OSError) -> list[str]:
    if isinstance(error, OSError):
        named = error.filename is not None
        return [f"{error.filename}: {error.strerror}" if named else str(error)]
    from anygen.core.schema import explain

    return explain(error).splitlines()


def show_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def anygen(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Text, images, audio and video in and out of one conversation."""


@app.command()
def chat(  # noqa: PLR0913  # the options of a command
    model: ModelOption = "mini",
    prompt: Annotated[str | None, typer.Option("--prompt", "-p", help="One question only.")] = None,
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", "-a", help="A file to put before --prompt.")
    ] = None,
    out: OutOption = Path("out"),
    seed: SeedOption = 0,
    modalities: ModalitiesOption = None,
    max_new_tokens: LengthOption = 256,
    settings: SetOption = None,
    threads: ThreadsOption = None,
    device: DeviceOption = "cpu",
    dtype: DtypeOption = None,
    quant: QuantOption = None,
    offload: OffloadOption = "none",
    device_map: DeviceMapOption = None,
    metadata: MetadataOption = True,
    graphics: Annotated[
        str, typer.Option(help="auto, kitty, iterm, sixel, blocks, 256, ascii or none.")
    ] = "auto",
    history: Annotated[
        bool, typer.Option("--history/--no-history", help="Remember what is typed.")
    ] = True,
) -> None:
    """Talk: lines in, text and media out. Attach files with @path; /help lists the commands.

    What is piped in stands before --prompt: cat notes.txt | anygen chat -p "in one sentence"
    """
    from anygen.chat.repl import answer_once, run_chat
    from anygen.chat.session import Settings
    from anygen.chat.startup import open_session, read_lines, read_question

    if attach and prompt is None:
        raise ValueError("--attach goes with --prompt; in a conversation write @path")
    use_threads(threads)
    options = read_options(modalities, max_new_tokens, settings or [])
    chosen = Settings(out, options, metadata)
    parts = None if prompt is None else read_question(prompt, attach or [])
    place = read_placement(device, dtype, quant, offload, device_map)
    session = open_session(model, partial(load_model, place=place), chosen, graphics, seed)
    if parts is None:
        run_chat(session, read_lines(session, model, history))
    else:
        answer_once(session, parts)


@app.command()
def generate(  # noqa: PLR0913  # the options of a command
    source: Annotated[
        str | None,
        typer.Argument(metavar="[PROMPT|FILE.jsonl]", help="A prompt, or one record per line."),
    ] = None,
    again: Annotated[
        Path | None, typer.Option("--from", help="Make this file of anygen's once more.")
    ] = None,
    model: ModelOption = "mini",
    out: OutOption = Path("out"),
    seed: SeedOption = 0,
    modalities: ModalitiesOption = None,
    max_new_tokens: LengthOption = 256,
    settings: SetOption = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows at a time.")] = 1,
    threads: ThreadsOption = None,
    device: DeviceOption = "cpu",
    dtype: DtypeOption = None,
    quant: QuantOption = None,
    offload: OffloadOption = "none",
    device_map: DeviceMapOption = None,
    metadata: MetadataOption = True,
) -> None:
    """Answer a prompt, or every one of a file: media and records.jsonl in --out, and go on there.

    A line is {"id": "a", "prompt": "a red cat"} or a dialogue under "messages". The new records
    are printed too. Exit code 3: some rows failed, and their records say why.
    """
    from anygen.batch.runner import Settings

    if (source is None) == (again is None):
        raise ValueError("give a prompt, a file of prompts or --from FILE, and only one of them")
    if again is not None:
        make_again(again, out)
        return
    use_threads(threads)
    options = read_options(modalities, max_new_tokens, settings or [])
    batch = Settings(out, seed, options, batch_size, metadata)
    place = read_placement(device, dtype, quant, offload, device_map)
    answer_rows(str(source), batch, lambda: load_model(model, place))


def answer_rows(source: str, settings: Batch, open_model: Callable[[], AnyGen]) -> None:
    from anygen.batch.runner import RECORDS, generate_file

    failed = finished = 0
    given = Path(source) if source.endswith(".jsonl") else source
    for record in generate_file(open_model, given, settings):
        print(json.dumps(record, ensure_ascii=False), flush=True)
        finished += record["status"] == "ok"
        failed += record["status"] == "error"
    print(f"{finished} answered, {failed} failed: {settings.out / RECORDS}", file=sys.stderr)
    if failed:
        raise typer.Exit(3)


def make_again(source: Path, out: Path) -> None:
    from anygen.conversation.provenance import read_provenance, remake, write_again

    provenance = read_provenance(source)
    use_threads(provenance.threads)
    model = load_model(provenance.model)
    path, same = write_again(remake(model, provenance), source, out)
    print(path)
    if not same:
        other = provenance.weights != model.maker.weights
        reason = "other weights made it" if other else "another anygen or machine made it"
        print(f"anygen: not the same bytes as {source}: {reason}", file=sys.stderr)
        raise typer.Exit(3)


@app.command()
def train(
    config: Annotated[str, typer.Argument(help="A name in configs/ or a YAML file.")],
    overrides: OverridesArgument = None,
) -> None:
    """Run one training stage, as in: anygen train mini/vae_image steps=100"""
    import logging

    from anygen.training.trainer import train

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    print(train(config, overrides or []))


data = typer.Typer(no_args_is_help=True, help="Training data.")
app.add_typer(data, name="data")


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


@app.command("convert")
def convert_checkpoint(  # the options of a command
    source: Annotated[Path, typer.Argument(help="The checkpoint's folder, or its only file.")],
    layout: LayoutOption,
    system: Annotated[str, typer.Option(help="A system in configs/ or its YAML file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The model's folder, a new one.")],
    partial: PartsOption = None,
    report: ReportOption = None,
) -> None:
    """Make a model of weights that another system was trained to; nothing is half converted.

    With --partial the folder is that of a training run: for init: in a run, or anygen pack.
    """
    from anygen.importers.conversion import NotFittingError, import_checkpoint, write_report

    try:
        account = import_checkpoint(
            source, layout, system, out, partial.split(",") if partial else ()
        )
    except NotFittingError as refused:
        if report:
            write_report(refused.account, report)
        raise
    if report:
        write_report(account, report)
    print(f"{account.summary()}: {out}")


@app.command()
def pack(
    system: Annotated[str, typer.Argument(help="A system in configs/ or its YAML file.")],
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs, later ones win.")],
    out: OutOption = Path("out/model"),
) -> None:
    """Join the weights of finished training runs into a model's folder."""
    from anygen.training.packing import pack

    pack(system, runs, out)
    print(out)


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


@app.command()
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


@app.command()
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

    place = named_placement((device or ["cpu"])[0], dtype, quant, offload)
    room = Room.of(device or ["cpu"], memory)
    with planner(config, overrides or []) as found:
        needs = found.needs(place, rows, length)
        for line in [as_json_text(needs, place)] if as_json else lines(found, needs, place, room):
            print(line)


@app.command()
def models() -> None:
    """List what can be run: the shipped models, and the systems that can be trained."""
    from anygen.checkpoints.catalog import as_line, entries

    for entry in entries():
        print(as_line(entry))


@app.command()
def doctor(
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Also make a picture, a sound and a video.")
    ] = False,
    model: ModelOption = "mini",
) -> None:
    """Look at this installation: what works, what is missing, and what to do about it."""
    from anygen.doctor.checks import examine, show

    if not show(examine(model, smoke)):
        raise typer.Exit(2)


@app.command()
def version() -> None:
    """Show the version."""
    print(__version__)


def load_model(name: str, place: Placement | None = None) -> AnyGen:
    from anygen import AnyGen

    return AnyGen.from_pretrained(name, **(dict(place) if place else {}))

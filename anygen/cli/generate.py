"""`anygen generate`: answers a prompt or a file of prompts, or makes a generated file again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anygen.cli.options import (
    DeviceMapOption,
    DeviceOption,
    DtypeOption,
    LengthOption,
    MetadataOption,
    ModalitiesOption,
    ModelOption,
    OffloadOption,
    OutOption,
    QuantOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    available,
    load_model,
    read_options,
    read_placement,
    use_threads,
)

if TYPE_CHECKING:
    from anygen import AnyGen
    from anygen.batch.runner import BatchSettings
    from anygen.batch.skipped import SkippedRows


def generate(  # noqa: PLR0913  # the options of a command
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROMPT|FILE.jsonl]", help="A prompt, or a file with one JSON object per line."
        ),
    ] = None,
    again: Annotated[
        Path | None, typer.Option("--from", help="Make this file, which anygen generated, again.")
    ] = None,
    model: ModelOption = "mini",
    out: OutOption = Path("out"),
    seed: SeedOption = 0,
    modalities: ModalitiesOption = None,
    max_new_tokens: LengthOption = 256,
    settings: SetOption = None,
    batch_size: Annotated[int, typer.Option(min=1, help="How many rows to answer at a time.")] = 1,
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = None,
    quant: QuantOption = None,
    offload: OffloadOption = "none",
    device_map: DeviceMapOption = None,
    metadata: MetadataOption = True,
) -> None:
    """Answer a prompt, or every prompt in a file, into a folder of media and records.

    A line of the file is {"id": "a", "prompt": "draw a red car"}, or holds a dialogue under
    "messages". The folder gets records.jsonl; its new lines are also printed. Running the same
    command again continues where it stopped. Exit code 3 means that some rows failed: their
    records say why.
    """
    from anygen.batch.runner import BatchSettings

    if (source is None) == (again is None):
        raise ValueError("give either a prompt, a file of prompts or --from FILE")
    if again is not None:
        generate_again(again, out)
        return
    use_threads(threads)
    options = read_options(modalities, max_new_tokens, settings or [])
    place = read_placement(device, dtype, quant, offload, device_map)
    which = f"{model} {place.non_defaults}"
    batch = BatchSettings(out, seed, options, batch_size, metadata, which)
    answer_rows(str(source), batch, lambda: load_model(model, place))


def answer_rows(source: str, settings: BatchSettings, open_model: Callable[[], AnyGen]) -> None:
    from anygen.batch.records import RECORDS, record_line
    from anygen.batch.rows import source_of
    from anygen.batch.runner import generate_file

    answered = failed = 0
    for record in generate_file(open_model, source_of(source), settings, print_skipped):
        print(record_line(record), flush=True)
        answered += record["status"] == "ok"
        failed += record["status"] == "error"
    print(f"{answered} answered, {failed} failed: {settings.out / RECORDS}", file=sys.stderr)
    if failed:
        raise typer.Exit(3)


def print_skipped(skipped: SkippedRows) -> None:
    hint = "; delete their records, or choose another --out, to answer them again"
    print(f"{skipped}{hint if skipped.has_changed else ''}", file=sys.stderr)


def generate_again(source: Path, out: Path) -> None:
    from anygen.conversation.provenance import read_provenance, regenerate, write_regenerated

    provenance = read_provenance(source)
    for difference in provenance.differences():
        print(f"anygen: {difference}: the last bits may differ", file=sys.stderr)
    use_threads(provenance.threads)
    model = load_model(provenance.model, available(provenance.placement))
    path, same = write_regenerated(regenerate(model, provenance), source, out)
    print(path)
    if not same:
        changed = provenance.weights != model.model_id.weights
        reason = "the weights have changed" if changed else "another version or machine made it"
        print(f"anygen: not the same bytes as {source}: {reason}", file=sys.stderr)
        raise typer.Exit(3)

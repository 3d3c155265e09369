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
from anygen.core.modality import MODALITIES

if TYPE_CHECKING:
    from anygen import AnyGen
    from anygen.batch.runner import BatchSettings
    from anygen.batch.skipped import SkippedRows

ANSWER_IS = "The answer is {}, and holds nothing else unless another such option is given."


def generate(  # noqa: PLR0913  # the options of a command
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROMPT|FILE]",
            help="A prompt, or a file of prompts: JSON lines, CSV, TSV, Parquet or a prompt per "
            "line of a .txt; - is standard input.",
        ),
    ] = None,
    again: Annotated[
        Path | None, typer.Option("--from", help="Make this file, which anygen generated, again.")
    ] = None,
    model: ModelOption = "mini",
    out: OutOption = Path("out"),
    seed: SeedOption = 0,
    image: Annotated[bool, typer.Option("--image", help=ANSWER_IS.format("a picture"))] = False,
    audio: Annotated[bool, typer.Option("--audio", help=ANSWER_IS.format("a sound"))] = False,
    video: Annotated[bool, typer.Option("--video", help=ANSWER_IS.format("a video"))] = False,
    text: Annotated[bool, typer.Option("--text", help=ANSWER_IS.format("words"))] = False,
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

    anygen generate --image "a red car" makes a picture of the caption. A line of a file is
    {"id": "a", "prompt": "draw a red car"}, or holds a dialogue under "messages". The folder gets
    records.jsonl; its new lines are also printed. Running the same command again continues where
    it stopped. Exit code 3 means that some rows failed: their records say why.
    """
    from anygen.batch.runner import BatchSettings

    if (source is None) == (again is None):
        raise ValueError("give either a prompt, a file of prompts or --from FILE")
    if again is not None:
        generate_again(again, out)
        return
    flags = {"text": text, "image": image, "audio": audio, "video": video}
    modality = tuple(name for name in MODALITIES if flags[name])
    if modality and modalities is not None:
        raise ValueError(
            f"--{modality[0]} says what an answer is, and --modalities what it may hold; give one"
        )
    use_threads(threads)
    options = read_options(modalities, max_new_tokens, settings or [])
    place = read_placement(device, dtype, quant, offload, device_map)
    which = f"{model} {place.non_defaults}"
    batch = BatchSettings(out, seed, options, modality, batch_size, metadata, which)
    answer_rows(str(source), batch, lambda: load_model(model, place))


def answer_rows(source: str, settings: BatchSettings, open_model: Callable[[], AnyGen]) -> None:
    from anygen.batch.records import RECORDS, record_line
    from anygen.batch.runner import generate_file
    from anygen.batch.sources import source_of

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

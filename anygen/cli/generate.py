"""`anygen generate`: answers a prompt or a file of prompts, or makes a generated file again."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from anygen.cli.options import (
    DeviceMapOption,
    DeviceOption,
    DtypeOption,
    LengthOption,
    MediaHostsOption,
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
    read_engine,
    read_media_hosts,
    read_options,
    read_placement,
    use_threads,
)
from anygen.core.modality import MODALITIES

if TYPE_CHECKING:
    from anygen import AnyGen
    from anygen.batch.answering import BatchSettings, FormatName

CLEAR = "\r\x1b[K"  # the line that shows how far a batch is
MANY = "Many rows"
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
    allow_media_host: MediaHostsOption = None,
    media_folder: Annotated[
        list[Path] | None,
        typer.Option(
            rich_help_panel=MANY,
            help="A folder that rows may name media in, beside that of their file; repeatable.",
        ),
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(
            metavar="N|MIN:MAX",
            rich_help_panel=MANY,
            help="How many processes answer rows; each loads the model. A row that ends its "
            "process becomes an error. MIN:MAX: as many as a Ray cluster has room for.",
            show_default="answer in this process",
        ),
    ] = None,
    shard_size: Annotated[
        int, typer.Option(min=1, rich_help_panel=MANY, help="Rows that a worker takes at a time.")
    ] = 64,
    format: Annotated[
        str,
        typer.Option(
            rich_help_panel=MANY,
            help="files: records and media in the folder; parquet or webdataset: both in shards.",
        ),
    ] = "files",
    engine: Annotated[
        str,
        typer.Option(
            rich_help_panel=MANY,
            help="local: workers are processes of this machine; ray: actors of a Ray cluster.",
        ),
    ] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=MANY,
            help="The cluster: auto, host:port or ray://host:port.",
            show_default="one on this machine, as long as the command runs",
        ),
    ] = None,
    worker_gpus: Annotated[
        float,
        typer.Option(min=0, rich_help_panel=MANY, help="GPUs of each Ray worker, such as 0.5."),
    ] = 0,
    row_timeout: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            rich_help_panel=MANY,
            help="Seconds after which a row is given up; needs --workers.",
            show_default="none",
        ),
    ] = None,
    retries: Annotated[
        int,
        typer.Option(
            min=0, rich_help_panel=MANY, help="How often rows that failed are tried again at once."
        ),
    ] = 0,
    repeat: Annotated[
        int,
        typer.Option(
            min=1, rich_help_panel=MANY, help="Answer each prompt so often, each with its own seed."
        ),
    ] = 1,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            rich_help_panel=MANY,
            help="Answer each prompt with each of these values, such as seed=0..7 or "
            "image.guidance=2,4; several give all combinations.",
        ),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", rich_help_panel=MANY, help="Only check the files of the folder --out."
        ),
    ] = False,
) -> None:
    """Answer a prompt, or every prompt in a file, into a folder of media and records.

    anygen generate --image "a red car" makes a picture of the caption. A line of a file is
    {"id": "a", "prompt": "draw a red car"}, or holds a dialogue under "messages". The folder gets
    records.jsonl; its new lines are also printed. Running the same command again continues where
    it stopped. Exit code 3 means that some rows failed: their records say why.
    """
    from anygen.batch.answering import BatchSettings
    from anygen.batch.grid import parse_grid
    from anygen.batch.sources import source_of

    if (source is not None) + (again is not None) + verify != 1:
        raise ValueError(
            "give one of a prompt, a file of prompts, --from FILE, and --verify with --out FOLDER"
        )
    if verify:
        verify_folder(out)
        return
    if again is not None:
        generate_again(again, out)
        return
    flags = {"text": text, "image": image, "audio": audio, "video": video}
    modality = tuple(name for name in MODALITIES if flags[name])
    if modality and modalities is not None:
        raise ValueError(
            f"--{modality[0]} says what an answer is, and --modalities what it may hold; give one"
        )
    least, most = read_workers(workers, engine)
    if row_timeout is not None and most is None:
        raise ValueError("--row-timeout ends a worker that takes too long: give --workers, too")
    use_threads(threads)
    options = read_options(modalities, max_new_tokens, settings or [])
    place = read_placement(device, dtype, quant, offload, device_map)
    batch = BatchSettings(
        out,
        seed,
        options,
        modality,
        parse_grid(repeat, sweep or []),
        batch_size,
        metadata,
        model=f"{model} {place.non_defaults}",
        media_folders=tuple(media_folder or ()),
        workers=most,
        least_workers=least,
        threads=threads,
        shard_size=shard_size,
        format=read_format(format),
        engine=read_engine(engine, ray_address),
        ray_address=ray_address,
        worker_gpus=worker_gpus,
        row_timeout=row_timeout,
        retries=retries,
        media_hosts=read_media_hosts(allow_media_host),
    )
    answer_rows(source_of(str(source)), batch, partial(load_model, model, place))


def read_workers(text: str | None, engine: str) -> tuple[int | None, int | None]:
    """The least and the most of `2` or `1:8`. Raises ValueError."""
    if text is None:
        return (1, 1) if engine == "ray" else (None, None)
    found = re.fullmatch(r"(?:(\d{1,6}):)?(\d{1,6})", text.strip())
    least, most = (int(found[1] or found[2]), int(found[2])) if found else (0, 0)
    if not 1 <= least <= most:
        raise ValueError(f"--workers: give a number from 1, or MIN:MAX such as 1:8, not {text!r}")
    if least != most and engine != "ray":
        raise ValueError(f"--workers {text}: MIN:MAX is for --engine ray; give one number")
    return least, most


def read_format(name: str) -> FormatName:
    """Raises ValueError, also if a library that the format needs is missing."""
    from anygen.batch.shards.formats import FORMATS, import_pyarrow

    if name not in FORMATS:
        raise ValueError(f"--format: {name!r} is none of {', '.join(FORMATS)}")
    if name == "parquet":
        import_pyarrow()
    return cast("FormatName", name)


def answer_rows(source: Path | str, settings: BatchSettings, load: Callable[[], AnyGen]) -> None:
    from anygen.batch.progress import Progress
    from anygen.batch.records import RECORDS, naming_the_disk, record_line
    from anygen.batch.report import write_report
    from anygen.batch.runner import BatchStart, generate_file

    progress, is_seen = Progress(), sys.stderr.isatty()
    ids: list[str] = []

    def start(found: BatchStart) -> None:
        progress.begin(found.pending)
        ids.extend(found.ids)
        if found.done:
            print(f"{found.done} done before", file=sys.stderr)

    lines = sys.stdout
    with redirect_stdout(sys.stderr):  # where messages of Ray belong: stdout has records alone
        for record in generate_file(load, source, settings, start):
            progress.add(record)
            print(CLEAR if is_seen else "", end="", file=sys.stderr, flush=True)
            print(record_line(record), file=lines, flush=True)
            print(f"{progress}" if is_seen else "", end="", file=sys.stderr, flush=True)
    if not isinstance(source, str) or len(ids) > 1:
        with naming_the_disk(settings.out):
            write_report(ids, settings, progress)
    where = settings.out / (RECORDS if settings.format == "files" else "shards")
    print(f"{CLEAR if is_seen else ''}{progress.counts()}: {where}", file=sys.stderr)
    if progress.failures:
        raise typer.Exit(3)


def verify_folder(out: Path) -> None:
    from anygen.batch.shards.finish import verify

    manifest, problems = verify(out)
    for problem in problems:
        print(problem)
    shards = manifest["shards"]
    counts = f"{manifest['answered']} rows answered, {manifest['failed']} failed"
    print(f"{counts}, {len(shards)} shards, {len(problems)} problems", file=sys.stderr)
    if problems:
        raise typer.Exit(3)


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

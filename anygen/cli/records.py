"""`anygen data check`, `stats`, `split`, `index` and `preview`: a look at records before a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from anygen.training.data.rows import RowReader

FilesArgument = Annotated[
    list[str],
    typer.Argument(help="JSONL files, tar archives, or patterns such as 'clips/*.tar'."),
]


def existing_folder(path: Path | None) -> Path | None:
    """Raises ValueError for a folder that is not there."""
    from anygen.io.media_files import printable

    if path and not path.is_dir():
        raise ValueError(f"--media {printable(path)}: no such folder")
    return path


MediaOption = Annotated[
    Path | None,
    typer.Option(
        help="The folder of the media.",
        show_default="that of each file",
        callback=existing_folder,
    ),
]
SystemOption = Annotated[
    str | None,
    typer.Option(
        help="The system that is to learn from them, a name in configs/ or a YAML file: rows are "
        "measured in its positions, and refused as it would refuse them."
    ),
]


def check(files: FilesArgument, media: MediaOption = None, system: SystemOption = None) -> None:
    """Name every fault as file:line, and say what is in the files. Exit code 1 if there are any."""
    from anygen.io.media_files import printable
    from anygen.training.data.check import Checker
    from anygen.training.data.sources import find_all
    from mosit_data.formats.markers import plural

    checker, bad = Checker(media, row_reader(system) if system else None), set()
    count = 0
    for file in find_all(files):
        for fault in checker.faults(file):
            print(fault)
            bad.add((fault.file, fault.line))
            count += 1
    print(*checker.statistics.lines(), sep="\n")
    if checker.outside:
        print(
            f"{plural(checker.outside, 'medium', 'media')} outside the folder of the media, the "
            f"first {printable(checker.first_outside)}: training reads them there, so look at the "
            "paths in records of others"
        )
    print(f"{plural(count, 'fault')} in {plural(len(bad), 'line')}")
    if count:
        raise typer.Exit(1)


def stats(files: FilesArgument) -> None:
    """Say what is in the files, without opening their media."""
    from anygen.training.data.files import RowError
    from anygen.training.data.sources import find_all, require_rows
    from anygen.training.data.statistics import Statistics
    from mosit_data.formats.markers import plural

    statistics, damaged = Statistics(), 0
    for file in find_all(files):
        require_rows(file)
        for record in file.read_all():
            if isinstance(record, RowError):
                damaged += 1
            else:
                statistics.add(record)
    print(*statistics.lines(), sep="\n")
    if damaged:
        print(f"not counted: {plural(damaged, 'line')} without a record, which data check names")


def split(
    files: FilesArgument,
    held_out: Annotated[
        float, typer.Option(min=0, max=1, help="The share of the rows to hold out.")
    ] = 0.1,
    media: MediaOption = None,
) -> None:
    """Write NAME.train.jsonl and NAME.held_out.jsonl beside each file."""
    from anygen.training.data.sources import find_all
    from anygen.training.data.split import split
    from mosit_data.formats.markers import plural

    counts = split(find_all(files), held_out, media)
    for path, rows in counts.items():
        print(f"{plural(rows, 'row')}: {path}")
    if not all(counts.values()):
        print(
            f"one part has no rows: at --held-out {held_out:g} a hash of each row decides; another "
            "share may divide so few rows"
        )


def index(files: FilesArgument) -> None:
    """Store where the rows of large files are, so that runs begin without reading them whole."""
    from anygen.training.data.files import store_index
    from anygen.training.data.sources import find_all

    for file in find_all(files):
        print(store_index(file.path, file.index))


def preview(
    file: Annotated[str, typer.Argument(help="A JSONL file, or a pattern.")],
    system: Annotated[
        str, typer.Option(help="The system that is to learn from it: a name or a YAML file.")
    ] = "mini/system",
    rows: Annotated[int, typer.Option(min=1, help="How many rows to show.")] = 20,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path(
        "preview.html"
    ),
    media: MediaOption = None,
    seed: Annotated[int, typer.Option(help="Which rows are shown.")] = 0,
) -> None:
    """Write a page of random rows as training reads them: tokens, labels, spans and media."""
    from anygen.config.data import DataSource
    from anygen.training.data.preview import write_preview
    from anygen.training.data.sources import open_source

    source = open_source(DataSource(path=file, media=str(media) if media else None), seed)
    print(write_preview(source, row_reader(system), rows, seed, out))


def row_reader(system: str) -> RowReader:
    """Of a system without weights: shapes and a tokenizer are all that it takes to measure rows."""
    import torch

    from anygen.config.loader import find_config, load_system
    from anygen.model.multimodal import MultimodalModel
    from anygen.training.data.rows import RowReader

    parts = ("encoder", "llm", "input_projector")
    with torch.device("meta"):
        model = MultimodalModel(load_system(system), find_config(system).parent, parts)
    return RowReader(model, None)

"""The page of samples: the first media of each task at once, beside plain captions and truth."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anygen.core.media import Media
from anygen.core.modality import TABLE, MediaModality
from anygen.evaluation.report import LABELS, SAMPLES_PAGE
from anygen.evaluation.results import SAMPLES, by_task
from anygen.evaluation.suites.base import Line
from anygen.io.media_files import read_media
from anygen.reports.page import write_page
from anygen.reports.sheets import COLUMNS, sheet

MOST: Mapping[MediaModality, int] = {"image": 64, "audio": 24, "video": 24}  # of a sheet
SHOWN = ("model", "control", "true")  # a sheet for each


def write(out: Path, results: Mapping[str, Any], lines: Sequence[Line]) -> Path | None:
    """Write samples.html to the folder `out`; returns its path, or None if no answer has media."""
    groups = [group for name, own in by_task(lines).items() for group in groups_of(out, name, own)]
    if not groups:
        return None
    return write_page(out / SAMPLES_PAGE, SAMPLES_PAGE, {"results": results, "groups": groups})


def groups_of(out: Path, task: str, lines: Sequence[Line]) -> Iterator[Line]:
    """The sheets of one task, by modality."""
    for modality, most in MOST.items():
        places = [place for line in lines for place in places_in(line, modality)][:most]
        if not places:
            continue
        sources = [s for s in SHOWN if any(s in files for _, files in places)]
        yield {
            "task": task,
            "modality": modality,
            "count": len(places),
            "prompts": [prompt for prompt, _ in places],
            "sheets": {
                LABELS[source]: sheet(
                    [read_sample(out, files.get(source)) for _, files in places],
                    COLUMNS[modality],
                )
                for source in sources
            },
        }


def places_in(line: Line, modality: MediaModality) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The prompt and the files by source of each tile of a case.

    Its answer has one medium, which may be missing, or several with numbers.
    """
    suffix = TABLE[modality].suffix
    files = {name: file for name, file in line["files"].items() if file.endswith(suffix)}
    numbered = [file for name, file in files.items() if name.startswith("model ")]
    if numbered:
        yield from ((line["prompt"], {"model": file}) for file in numbered)
    elif any(source in files for source in SHOWN):
        yield line["prompt"], files


def read_sample(out: Path, name: str | None) -> Media | None:
    """None if the medium was not made, or if its file is gone."""
    path = out / SAMPLES / str(name)
    return read_media(path) if name and path.is_file() else None

"""Converts data from one layout to another, row by row, and counts what was kept and refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from anygen.core.records import Record, TextContent, media_of_record
from anygen.core.text import from_json, to_json
from anygen.io.atomic import replacing, write_json
from anygen.io.media_files import printable
from anygen.io.paths import read_file
from mosit_data.formats.conversations import llamafactory
from mosit_data.formats.layouts import WRITERS, Layout, Writer, find
from mosit_data.formats.media_folder import MediaFolder
from mosit_data.formats.rows import Kept, Refusal, files_below


@dataclass
class Counts:
    """What became of the rows, and of the media of the assistant."""

    kept: int = 0
    refused: int = 0
    without_caption: int = 0
    without_file: int = 0
    as_text: int = 0  # written as `<Image>a caption</Image>`
    outside: int = 0  # of all media, those that do not lie below the folder of the output
    first_refusal: Refusal | None = None
    unread: Counter[str] = field(default_factory=Counter)  # kept rows by what of them is not read


@dataclass(frozen=True)
class Job:
    """What is converted into what."""

    layout: Layout
    sources: Sequence[Path]
    out: Path
    writer: str = "records"
    # Names in rows are relative to it, also those that are written; by default, to their own file.
    # Paths in records are relative to the file of the records.
    media: Path | None = None
    licence: str | None = None  # of all records
    task: str | None = None  # a text such as [vqa] that begins every message of a user


def convert(job: Job) -> Counts:
    """Writes `job.out` and, if rows were refused, `refused_path(job.out)`; whole files, or none.

    Raises ValueError if a source is unusable or no row was kept, OSError if one cannot be read.
    """
    write = find(job.writer, WRITERS)
    if job.out.exists() and not job.out.is_file():
        raise ValueError(f"{printable(job.out)}: is no file; name one to write")
    if job.writer == "records" and job.out.suffix.lower() != ".jsonl":
        name = printable(job.out.with_suffix(".jsonl"))
        raise ValueError(f"{printable(job.out)}: records are JSON lines; write {name}")
    counts = Counts()
    with ExitStack() as stack:
        kept = Lines(stack, job.out, is_list=job.out.suffix == ".json" and job.writer != "records")
        refused = Lines(stack, refused_path(job.out))
        for outcome in with_own_ids(read_all(job)):
            row = written(outcome, write)
            if isinstance(row, Refusal):
                counts.first_refusal = counts.first_refusal or row
                refused.add(asdict(row))
            else:
                kept.add(row)
                count_contents(outcome, job.writer, counts)
        counts.kept, counts.refused = kept.count, refused.count
        if not kept.count:
            first = counts.first_refusal
            sources = ", ".join(map(printable, job.sources))
            why = f"the first: {first.place}: {first.reason}" if first else f"{sources} has none"
            raise ValueError(f"no row could be converted; {why}")
        kept.close()
    if not counts.refused:
        refused_path(job.out).unlink(missing_ok=True)  # of an earlier conversion
    if job.writer == "llamafactory":
        add_entry(job.out)
    return counts


def written(outcome: Kept | Refusal, write: Writer) -> dict[str, Any] | Refusal:
    if isinstance(outcome, Refusal):
        return outcome
    try:
        return write(outcome.record)
    except ValueError as error:
        return Refusal(outcome.place, outcome.record.id, str(error))


class Lines:
    """A file of JSON lines, or of one list, which appears with its first entry and is whole then.

    It gets its name when the stack is left, unless an error is the reason.
    """

    def __init__(self, stack: ExitStack, path: Path, is_list: bool = False) -> None:
        self._stack, self._path, self._is_list = stack, path, is_list
        self.count = 0

    def add(self, data: dict[str, Any]) -> None:
        if not self.count:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._stack.enter_context(replacing(self._path))
            self._stream = self._stack.enter_context(temporary.open("w", encoding="utf-8"))
        between = ("[\n" if not self.count else ",\n") if self._is_list else ""
        self._stream.write(between + to_json(data) + ("" if self._is_list else "\n"))
        self.count += 1

    def close(self) -> None:
        self._stream.write("\n]\n" if self._is_list else "")


def refused_path(out: Path) -> Path:
    """`rows.refused.jsonl` beside `rows.jsonl`."""
    return out.with_name(f"{out.stem}.refused.jsonl")


def read_all(job: Job) -> Iterator[Kept | Refusal]:
    """All rows of all sources, with their licence. Raises ValueError, OSError."""
    update = {} if job.licence is None else {"licence": job.licence}
    for source in job.sources:
        if not source.is_file() and not source.is_dir():
            raise ValueError(f"{printable(source)}: no such file or folder")
        base = job.out.parent if job.media is None or job.writer == "records" else job.media
        inline = job.out.with_name(f"{job.out.stem}_media")
        files = files_of(source, job) if source.is_dir() and job.layout.suffixes else [source]
        for file in files:
            own = file if file.is_dir() else file.parent
            media = MediaFolder(job.media or own, base, inline)
            below = "" if own in (source, source.parent) else f"{own.relative_to(source)}/"
            for outcome in job.layout.read(file, media):
                outcome = replace(outcome, place=printable(below) + outcome.place)
                if isinstance(outcome, Kept):
                    record = outcome.record.model_copy(update=update)
                    outcome = replace(outcome, record=for_task(record, job.task))
                yield outcome


def files_of(folder: Path, job: Job) -> list[Path]:
    """The files of the layout below a folder, but for those of an earlier conversion to `job.out`.

    Raises ValueError if there is none.
    """
    written = {path.absolute() for path in (job.out, refused_path(job.out))}
    files = [
        path
        for path in files_below(folder)
        if path.suffix.lower() in job.layout.suffixes and path.absolute() not in written
    ]
    if not files:
        suffixes = ", ".join(job.layout.suffixes)
        raise ValueError(f"{printable(folder)}: holds no file of the layout ({suffixes})")
    return files


def for_task(record: Record, task: str | None) -> Record:
    """The record with the task's identifier where each user begins to write (MiniGPT-v2)."""
    if not task:
        return record
    messages = []
    for message in record.messages:
        texts = [i for i, part in enumerate(message.content) if isinstance(part, TextContent)]
        if message.role == "user":
            content, place = [*message.content], texts[0] if texts else len(message.content)
            words = content[place : place + 1]
            text = " ".join([task, *(part.text.lstrip() for part in words)])  # type: ignore[union-attr]
            content[place : place + 1] = [TextContent(text=text)]
            message = message.model_copy(update={"content": content})
        messages.append(message)
    return record.model_copy(update={"messages": messages})


def with_own_ids(outcomes: Iterator[Kept | Refusal]) -> Iterator[Kept | Refusal]:
    """The records, each with an id of its own: of two rows `k1` the second becomes `k1-2`."""
    used: set[str] = set()
    numbers: dict[str, int] = {}  # the last that was given to an id, so that none is tried twice
    for outcome in outcomes:
        if isinstance(outcome, Kept):
            own = name = outcome.record.id
            while name in used:
                numbers[own] = numbers.get(own, 1) + 1
                name = f"{own}-{numbers[own]}"
            if name != own:
                outcome = replace(outcome, record=outcome.record.model_copy(update={"id": name}))
            used.add(name)
        yield outcome


def count_contents(outcome: Kept | Refusal, writer: str, counts: Counts) -> None:
    assert isinstance(outcome, Kept)
    counts.unread.update(outcome.unread)
    for role, medium in media_of_record(outcome.record):
        counts.outside += (medium.path or "").startswith("../")
        if role == "assistant":
            counts.without_caption += not medium.caption
            counts.without_file += medium.is_caption_only
            counts.as_text += writer != "records"


def add_entry(out: Path) -> None:
    """Adds the file to dataset_info.json in its folder, under its name. Raises ValueError."""
    info = out.with_name(llamafactory.INFO)
    known = from_json(read_file(info)) if info.exists() else {}
    if not isinstance(known, dict):
        raise ValueError(f"{printable(info)}: is not an object, so no data set can be added")
    write_json({**known, out.stem: llamafactory.entry(out.name)}, info)

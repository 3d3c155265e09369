"""Splits files of records into a part to learn from and a held-out part.

Rows that share a source or a medium, or are without media and begin alike, stay on one side: a
picture that was learned with one question is not held out with another.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from anygen.core.records import Record, TextContent, media_of_record
from anygen.core.text import folded, to_json
from anygen.io.atomic import replacing
from anygen.training.data.files import RecordFile, parse
from anygen.training.data.sources import DataFile, require_rows
from mosit_data.build.decisions import decided, decisions_path, read_decisions
from mosit_data.formats.media_folder import is_file
from mosit_data.formats.tables.records import write as record_row

PARTS = ("train", "held_out")


def split(found: Sequence[DataFile], share: float, media: Path | None) -> dict[Path, int]:
    """Writes mine.train.jsonl and mine.held_out.jsonl beside mine.jsonl; how many rows each has.

    About `share` of the groups of rows are held out, chosen by the SHA-256 of what they share: more
    rows or another order move no group that stays as it is. Lines are copied as they are, unless a
    person has decided to drop or mend them (`decisions_path`). Raises ValueError for a line that is
    no record, for files without lines, and for archives.
    """
    files = [file for file in found if isinstance(file, RecordFile)]
    if len(files) < len(found):
        raise ValueError("archives are not split; hold some of the .tar files out instead")
    groups = groups_of(files, media)
    counts: dict[Path, int] = {}
    for file in files:
        outputs = [file.path.with_suffix(f".{part}.jsonl") for part in PARTS]
        with ExitStack() as stack:
            streams = []
            for output in outputs:
                temporary = stack.enter_context(replacing(output))
                streams.append(stack.enter_context(temporary.open("wb")))
            counts |= dict.fromkeys(outputs, 0)
            for record, line in kept_lines(file):
                first = next(identities(record, media or file.path.parent))
                part = int(groups.fraction(first) < share)
                streams[part].write(line.rstrip(b"\r\n") + b"\n")
                counts[outputs[part]] += 1
    return counts


def groups_of(files: Sequence[RecordFile], media: Path | None) -> "Groups":
    """The groups of the rows of files. Raises ValueError for a line that is no record."""
    groups = Groups()
    for file in files:
        require_rows(file)
        for number, line in file:
            record = parse(line, file.path, number)
            groups.join(list(identities(record, media or file.path.parent)))
    return groups


def kept_lines(file: RecordFile) -> Iterator[tuple[Record, bytes]]:
    """The records that nobody has dropped, each with its line as a person wants it."""
    decisions = read_decisions(decisions_path(file.path))
    for number, line in file:
        record = parse(line, file.path, number)
        result = decided(record, decisions)
        if result is not None:
            yield record, line if result == record else to_json(record_row(result)).encode()


class Groups:
    """Keys that belong together (union-find); each group has a number of its own in [0, 1)."""

    def __init__(self) -> None:
        self.parents: dict[str, str] = {}

    def root(self, key: str) -> str:
        path = [key]
        while (parent := self.parents.setdefault(path[-1], path[-1])) != path[-1]:
            path.append(parent)
        for passed in path:
            self.parents[passed] = path[-1]
        return path[-1]

    def join(self, keys: Sequence[str]) -> None:
        """The smallest key of a group stands for it, in whatever order its rows come."""
        roots = sorted({self.root(key) for key in keys})
        for other in roots[1:]:
            self.parents[other] = roots[0]

    def fraction(self, key: str) -> float:
        return int(self.root(key)[:12], 16) / 16**12


def identities(record: Record, folder: Path) -> Iterator[str]:
    """SHA-256 of what makes rows alike: the source, every medium, or else the first text."""
    contents = [content for message in record.messages for content in message.content]
    texts = [part.text for part in contents if isinstance(part, TextContent)]
    names = [f"source {record.source}"] if record.source else []
    for _, medium in media_of_record(record):
        if medium.path is not None:
            names.append(file_identity(folder / medium.path))
        elif medium.scene is not None:
            names.append(f"scene {json.dumps(medium.scene, sort_keys=True)}")
        elif medium.is_caption_only:
            names.append(f"caption {folded(medium.caption or '')}")
    for name in names or [f"text {folded(texts[0] if texts else '')}"]:
        yield hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()


def file_identity(path: Path) -> str:
    """The content of a file, so that a copy under another name is the same; else its path."""
    if not is_file(path):
        return f"path {path.absolute()}"
    with path.open("rb") as stream:
        return f"file {hashlib.file_digest(stream, 'sha256').hexdigest()}"

"""WebDataset: tar archives in which the files of a sample follow each other and share a name.

    k1.jpg  k1.txt                a medium with a caption
    k2.0.png  k2.1.png  k2.json   a dialogue: `conversations` or `messages` with markers

The JSON may hold the caption, too. Media are written beside the records.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from anygen.core.text import from_json
from anygen.io.media_files import printable
from mosit_data.formats.media_folder import MediaFolder, suffix_modality
from mosit_data.formats.rows import RawRow
from mosit_data.formats.schema import reader
from mosit_data.formats.tables.columns import parse

TEXTS = ("txt", "caption")


def rows(path: Path, media: MediaFolder) -> Iterator[RawRow]:
    """Raises ValueError if the archive is damaged."""
    try:
        with tarfile.open(path, "r|*") as archive:
            for key, group in groupby(members(archive), lambda member: member[0]):
                place = f"{printable(path.name)}:{printable(key)}"
                yield sample(place, key, [(end, data) for _, end, data in group])
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.filename:
            raise
        raise ValueError(f"{printable(path.name)}: is no whole tar archive: {error}") from None


def members(archive: tarfile.TarFile) -> Iterator[tuple[str, str, bytes]]:
    """The sample, the rest of the name behind the first dot, and the bytes of each file."""
    for member in archive:
        content = archive.extractfile(member) if member.isfile() else None
        key, end = parts_of(member.name)
        if content is not None and key:
            yield key, end, content.read()


def parts_of(name: str) -> tuple[str, str]:
    """The sample that a file belongs to, empty if to none, and what follows the first dot."""
    folder, _, last = name.rpartition("/")
    stem, _, end = last.partition(".")
    return f"{folder}/{stem}".removeprefix("/") if stem else "", end.lower()


def sample(place: str, key: str, contents: Iterable[tuple[str, Any]]) -> RawRow:
    """The row of the files of a sample: what follows the first dot of a name, and its bytes.

    In the place of the bytes of a medium may stand what a row would hold of it.
    """
    data: dict[str, Any] = {}
    files: dict[str, list[Any]] = {}
    try:
        for end, content in contents:
            modality = suffix_modality(f"x.{end}")
            if end == "json" and isinstance(value := from_json(content), dict):
                data |= value
            elif end in TEXTS:
                data["caption"] = content.decode("utf-8-sig")
            elif modality:
                file = {"bytes": content} if isinstance(content, bytes) else content
                files.setdefault(modality, []).append(file)
    except ValueError as error:
        return RawRow(place, key, error=f"holds a damaged text: {error}")
    names = {f"{modality}s" for modality in files}  # in the JSON, of files that are here
    named = {column: value for column, value in data.items() if column not in names}
    return RawRow(place, key, {"id": key, **named, **files})


read = reader(parse, rows)

"""WebDataset: tar archives in which the files of a sample follow each other and share a name.

    k1.jpg  k1.txt                a medium with a caption
    k2.0.png  k2.1.png  k2.json   a dialogue: `conversations` or `messages` with markers

The JSON may hold the caption, too. Media are written beside the records.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
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
        folder, _, name = member.name.rpartition("/")
        stem, _, end = name.partition(".")
        if content is not None and stem:
            yield f"{folder}/{stem}".removeprefix("/"), end.lower(), content.read()


def sample(place: str, key: str, contents: list[tuple[str, bytes]]) -> RawRow:
    data: dict[str, Any] = {}
    files: dict[str, list[dict[str, bytes]]] = {}
    try:
        for end, content in contents:
            modality = suffix_modality(f"x.{end}")
            if end == "json" and isinstance(value := from_json(content), dict):
                data |= value
            elif end in TEXTS:
                data["caption"] = content.decode("utf-8-sig")
            elif modality:
                files.setdefault(modality, []).append({"bytes": content})
    except ValueError as error:
        return RawRow(place, key, error=f"holds a damaged text: {error}")
    names = {f"{modality}s" for modality in files}  # in the JSON, of files that are here
    named = {column: value for column, value in data.items() if column not in names}
    return RawRow(place, key, {"id": key, **named, **files})


read = reader(parse, rows)

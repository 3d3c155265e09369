"""Media with captions: CSV, TSV, JSON or Parquet, or a folder with a text file beside each medium.

    image,caption
    part/k1.jpg,two red kites

The medium stands in a column `image`, `video` or `audio`, or in `file`, `path` or `file_name`,
where its suffix gives the modality; the caption in `caption` or `text`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field

from anygen.core.modality import MEDIA, MediaModality
from anygen.core.records import RecordMessage
from anygen.io.media_files import printable
from mosit_data.formats.media_folder import MediaFolder, has_media_suffix, modality_of_name
from mosit_data.formats.rows import RawRow, files_below, read_rows
from mosit_data.formats.schema import Files, Row, captioned, reader

FILES = ("file", "path", "file_name", "filename")
CAPTION = AliasChoices("caption", "text")
SUFFIXES = (".txt", ".TXT")  # of files with captions; cameras and Windows write either


class CaptionRow(Row):
    image: Files = []
    video: Files = []
    audio: Files = []
    file: str | None = Field(None, validation_alias=AliasChoices(*FILES))
    caption: str = Field(validation_alias=CAPTION)

    def to_messages(self, media: MediaFolder) -> list[RecordMessage]:
        modality, value = self.named_medium()
        return captioned(media.medium(modality, value, self.caption.strip()))

    def named_medium(self) -> tuple[MediaModality, Any]:
        """The modality and the file of the row. Raises ValueError unless there is one."""
        named: list[tuple[MediaModality, Any]] = [
            (m, value) for m in MEDIA for value in getattr(self, m) if value
        ]
        if self.file:
            named.append((modality_of_name(self.file), self.file))
        if len(named) != 1:
            raise ValueError(f"the row has {len(named)} media, where one with a caption should be")
        return named[0]


def rows(path: Path, media: MediaFolder) -> Iterator[RawRow]:
    return read_folder(path) if path.is_dir() else read_rows(path)


def read_folder(folder: Path) -> Iterator[RawRow]:
    """A row for each medium in the folder and below; `k1.txt` has the caption of `k1.jpg`."""
    for path in files_below(folder):
        if not has_media_suffix(path.name):
            continue
        name = path.relative_to(folder).as_posix()
        place, row_id = printable(name), name.rpartition(".")[0]
        names = [*map(path.with_suffix, SUFFIXES)]
        beside = next(filter(Path.is_file, names), names[0])
        try:
            caption = beside.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            yield RawRow(place, row_id, error=f"no {printable(beside.name)} beside it")
        except UnicodeDecodeError:
            yield RawRow(place, row_id, error=f"{printable(beside.name)} is not UTF-8")
        else:
            yield RawRow(place, row_id, {"file": name, "caption": caption})


def parse(data: dict[str, Any]) -> CaptionRow:
    """Raises ValueError, with the columns that there are, if those of a medium or its caption are
    missing: a file may have no header, or another separator."""
    media = data.keys() & {*MEDIA, *FILES}
    if not (media and data.keys() & set(CAPTION.choices)):
        columns = ", ".join(map(repr, data)) or "none"
        raise ValueError(
            f"the columns are {columns}; a medium (image, video, audio or file) and its caption "
            "(caption or text) are needed"
        )
    return CaptionRow.model_validate(data)


read = reader(parse, rows)

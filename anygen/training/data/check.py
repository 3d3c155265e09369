"""Every fault of files of records, with its place: what training would refuse, and more."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from anygen.core.media import modality_of
from anygen.core.modality import MEDIA
from anygen.core.record_faults import faults_of
from anygen.core.records import MediaContent, Record, media_of_record
from anygen.io.media_files import MediaError
from anygen.training.data.files import RowError
from anygen.training.data.rows import RowReader
from anygen.training.data.sources import DataFile, MediaFiles, Place
from anygen.training.data.statistics import Statistics
from anygen.training.dialogues import read_record
from mosit_data.formats.media_folder import short
from mosit_data.world.scene import parse_scene


@dataclass
class Checker:
    """Checks one file after the other; ids and statistics are of all of them.

    With a `reader`, rows are also measured, and refused as its model would refuse them.
    """

    media: Path | None = None  # the folder of media; by default that of each file
    reader: RowReader | None = None
    statistics: Statistics = field(default_factory=Statistics)
    ids: dict[str, str] = field(default_factory=dict)  # where the rows of these ids are
    outside: int = 0  # media that training reads elsewhere than in their folder
    first_outside: str = ""  # its path, and where it stands
    # media: their modality, or their fault
    known: dict[tuple[MediaFiles, str], str] = field(default_factory=dict)

    def faults(self, file: DataFile) -> Iterator[RowError]:
        """All faults of a file, row by row. Raises ValueError if it is damaged as a whole."""
        if not len(file):
            yield RowError(file.path, 1, "", "the file holds no records")
        for row, record in enumerate(file.read_all()):
            if isinstance(record, RowError):
                yield record
                continue
            place = Place(file.path, file.line(row), file.media(row, self.media))
            for reason in self.reasons(record, place):
                yield RowError(place.file, place.line, record.id, reason)

    def reasons(self, record: Record, where: Place) -> Iterator[str]:
        """What is wrong with one record."""
        self.statistics.add(record)
        place = f"{where.file}:{where.line}"
        if (earlier := self.ids.setdefault(record.id, place)) != place:
            yield f"its id is that of {earlier}; give each record its own"
        found = [*faults_of(record), *self.media_faults(record, where.media, place)]
        if self.reader is not None:
            found += self.reader.misfits(record)
            if not found:
                yield from self.measured(record, where.media)
        yield from found

    def media_faults(self, record: Record, media: MediaFiles, place: str) -> Iterator[str]:
        for number, (_, medium) in enumerate(media_of_record(record), start=1):
            if medium.path is not None:
                fault = self.file_fault(media, medium)
                if not fault and media.is_outside(medium.path):
                    self.outside += 1
                    self.first_outside = self.first_outside or f"{short(medium.path)} in {place}"
            elif medium.scene is not None:
                fault = scene_fault(medium)
            else:
                fault = ""
            if fault:
                yield f"medium {number}: {fault}"

    def file_fault(self, media: MediaFiles, medium: MediaContent) -> str:
        """Why a file is not the medium that a record calls it; empty if it is. Read once."""
        path = medium.path or ""
        if (media, path) not in self.known:
            try:
                self.known[media, path] = modality_of(media.read(path))
            except MediaError as error:
                self.known[media, path] = str(error)
        found = self.known[media, path]
        if found in MEDIA and found != medium.type:
            return f"{short(path)} is called {medium.type} and is {found}"
        return "" if found in MEDIA else found

    def measured(self, record: Record, media: MediaFiles) -> Iterator[str]:
        """Adds the length of a record to the statistics; yields a fault if it is too long."""
        assert self.reader is not None
        dialogue = read_record(self.reader.phrased(record), media.read)
        length = self.reader.length(dialogue)
        self.statistics.positions.append(length)
        if fault := self.reader.too_long(length):
            yield fault


def scene_fault(medium: MediaContent) -> str:
    try:
        scene = parse_scene(medium.scene or {})
    except ValueError as error:
        return " ".join(str(error).split())
    return "" if scene.type == medium.type else f"its scene is {scene.type}, not {medium.type}"

"""AudioCaps: sounds of captions, their tags, and how far they are from the true sounds as a set.

Kim et al. 2019 (NAACL). The first caption of a clip is requested. Sounds are written under the
names of the true ones, as audioldm_eval pairs them.
"""

from functools import partial
from pathlib import Path

from anygen.core.modality import TABLE
from anygen.evaluation.suites.base import Source, Unit
from anygen.evaluation.suites.generation import captioned
from anygen.evaluation.suites.generation.output import MODES as OUTPUT_MODES
from anygen.evaluation.suites.generation.rows import KINDS, media_rows
from anygen.evaluation.suites.reading import find_by_stem, in_order, read_csv

UNIT = "clip"
MODES = OUTPUT_MODES
SPLITS = ("test", "val", "train")
MAKES_MEDIA = True
EXTRACTORS = KINDS["audio"]
LAYOUT = "test.csv, and the sounds as audio/YOUTUBE_ID.wav"
COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")
FOLDERS = (".", "audio", "wavs", "test", "val", "train")

ask = partial(captioned.ask, "audio")
judge = partial(captioned.judge, captioned.layout("audiocaps", "audio"))
figures = media_rows


def read(source: Source) -> list[Unit]:
    """A unit for each clip. Raises ValueError for another layout, or a sound that is missing."""
    folder = source.folder("audiocaps", LAYOUT)
    path = folder / f"{source.split or SPLITS[0]}.csv"
    if not path.is_file():
        raise ValueError(f"there is no {path}; the suite audiocaps needs {LAYOUT}")
    captions: dict[tuple[str, str], str] = {}
    for _, row in read_csv(path, COLUMNS):
        captions.setdefault((row["youtube_id"], row["start_time"]), row["caption"])
    return in_order(
        [
            captioned.unit_of(
                f"{name}_{start}", "sounds", caption, find_sound(folder, name, start), source.mode
            )
            for (name, start), caption in captions.items()
        ]
    )


def find_sound(folder: Path, name: str, start: str) -> Path:
    """By the id of the video, with a Y before it or the start after it in some copies."""
    names = (name, f"Y{name}", f"{name}_{start}", f"Y{name}_{start}")
    stems = (folder / below / one for below in FOLDERS for one in names)
    if path := find_by_stem(stems, TABLE["audio"].read_suffixes):
        return path
    raise ValueError(f"there is no sound {folder / FOLDERS[1] / name}.wav; {folder} needs {LAYOUT}")

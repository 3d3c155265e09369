"""MSR-VTT: videos of captions, and how far they are from the true videos as a set (FVD).

Xu et al. 2016 (CVPR). The first caption of a video is requested.
"""

from functools import partial
from pathlib import Path

from anygen.core.modality import TABLE
from anygen.evaluation.suites.base import Source, Unit
from anygen.evaluation.suites.generation import captioned
from anygen.evaluation.suites.generation.output import MODES as OUTPUT_MODES
from anygen.evaluation.suites.generation.rows import KINDS, media_rows
from anygen.evaluation.suites.reading import (
    find_by_stem,
    in_order,
    only_file,
    read_json,
    with_keys,
)

UNIT = "video"
MODES = OUTPUT_MODES
SPLITS = ("test", "validate", "train")
MAKES_MEDIA = True
EXTRACTORS = KINDS["video"]
LAYOUT = "*videodatainfo.json or MSRVTT_data.json, and the videos as videos/VIDEO_ID.mp4"
FOLDERS = (".", "videos", "videos/all", "TestVideo", "TrainValVideo")

ask = partial(captioned.ask, "video")
judge = partial(captioned.judge, captioned.layout("msrvtt", "video"))
figures = media_rows


def read(source: Source) -> list[Unit]:
    """A unit for each video of the split. Raises ValueError for another layout."""
    folder = source.folder("msrvtt", LAYOUT)
    path = only_file(folder, "*.json", LAYOUT)
    data = with_keys(read_json(path), ["videos", "sentences"], str(path))
    split = source.split or SPLITS[0]
    names = [row["video_id"] for row in data["videos"] if row.get("split") == split]
    captions: dict[str, str] = {}
    for row in data["sentences"]:
        captions.setdefault(row["video_id"], row["caption"])
    if not names:
        raise ValueError(f"{path}: has no videos of the split {split}")
    if missing := [name for name in names if name not in captions]:
        raise ValueError(f"{path}: the video {missing[0]} has no caption")
    return in_order(
        [
            captioned.unit_of(name, "videos", captions[name], find_video(folder, name), source.mode)
            for name in names
        ]
    )


def find_video(folder: Path, name: str) -> Path:
    stems = (folder / below / name for below in FOLDERS)
    if path := find_by_stem(stems, TABLE["video"].read_suffixes):
        return path
    raise ValueError(f"there is no video {folder / FOLDERS[1] / name}.mp4; {folder} needs {LAYOUT}")

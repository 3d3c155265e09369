"""Pictures of captions: CLIPScore, and how far they are from the true pictures as a set.

Reads what the suite captions reads. The first caption of a picture is requested.
"""

from functools import partial

from anygen.evaluation.suites.base import Source, Unit
from anygen.evaluation.suites.captions import FOLDERS, LAYOUT, read_captions
from anygen.evaluation.suites.captions import SPLITS as KARPATHY
from anygen.evaluation.suites.generation import captioned
from anygen.evaluation.suites.generation.output import MODES as OUTPUT_MODES
from anygen.evaluation.suites.generation.rows import KINDS, media_rows
from anygen.evaluation.suites.reading import find_medium, in_order

UNIT = "picture"
MODES = OUTPUT_MODES
SPLITS = KARPATHY
MAKES_MEDIA = True
EXTRACTORS = KINDS["image"]

ask = partial(captioned.ask, "image")
judge = partial(captioned.judge, captioned.layout("coco_images", "image"))
figures = media_rows


def read(source: Source) -> list[Unit]:
    """A unit for each picture that has captions. Raises ValueError for another layout."""
    folder = source.folder("coco_images", LAYOUT)
    return in_order(
        [
            captioned.unit_of(
                name, "pictures", texts[0], find_medium(folder, file, FOLDERS), source.mode
            )
            for name, file, texts in read_captions(folder, source.split or SPLITS[0])
        ]
    )

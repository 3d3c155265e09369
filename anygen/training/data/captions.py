"""The captions in the user's data, which contrastive losses compare with."""

from collections.abc import Mapping

from anygen.config.run import Run
from anygen.core.modality import MEDIA, MediaModality
from anygen.core.records import media_of_record
from anygen.training.data.files import RowError
from anygen.training.data.mixture import open_sources, shares_of
from anygen.training.data.order import permuted

ROWS_PER_CAPTION = 8  # rows that are read in search of a caption, at most


def captions_of_data(run: Run) -> Mapping[MediaModality, list[str]]:
    """Different captions per modality, from random rows of every source of files.

    Together they have the share of `run.negatives` that files have among files and small world.
    """
    sources = open_sources(run)
    shares = shares_of(run, sources)
    world = sum(share for share, settings in zip(shares, run.data) if settings.world)
    own = sum(shares[index] for index in sources)
    found: dict[MediaModality, dict[str, None]] = {modality: {} for modality in MEDIA}
    for index, source in sources.items():
        goal = round(run.negatives * shares[index] / (own + world))
        before = {modality: len(captions) for modality, captions in found.items()}
        for position in range(min(len(source), ROWS_PER_CAPTION * goal)):
            if all(len(found[m]) - before[m] >= goal for m in MEDIA):
                break
            row = permuted(position, len(source), f"{run.seed}/{index}/captions")
            try:
                record = source.read(row)
            except RowError:  # the run deals with it when it comes to that row
                continue
            for _, medium in media_of_record(record):
                if medium.caption:
                    captions = found[medium.type]
                    if len(captions) - before[medium.type] < goal:
                        captions.setdefault(medium.caption)
    return {modality: list(captions) for modality, captions in found.items()}

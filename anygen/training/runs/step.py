"""One step of training: its randomness, its dialogues, and the part that one pass computes."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from anygen.config.run import Run
from anygen.model.multimodal import MultimodalModel
from anygen.training.collate import RowSummary, summaries_of
from anygen.training.data.media import OwnMedium
from anygen.training.data.mixture import StepRows
from anygen.training.data.rows import RowReader
from anygen.training.dialogues import Dialogue


@dataclass(frozen=True)
class Step:
    """All randomness of one training step: a function of (seed, step) alone.

    The stages of dialogues draw those of the whole step; every process and every pass computes a
    part of them. In other stages each process draws a batch of its own.
    """

    index: int
    rng: random.Random
    generators: list[torch.Generator]  # one per row
    dialogues: Sequence[Dialogue] = ()
    media: StepRows[OwnMedium] | None = None  # if the run has `data`, and learns from pixels
    rows: Sequence[int] | None = None  # of the dialogues that a pass computes; None: all
    summaries: Sequence[RowSummary] = ()  # of all dialogues, if a pass computes a part of them
    part: int = 0
    parts: int = 1
    processes: int = 1  # whose gradients are averaged

    @property
    def own(self) -> Sequence[Dialogue]:
        """The dialogues that a pass computes."""
        rows = range(len(self.dialogues)) if self.rows is None else self.rows
        return [self.dialogues[row] for row in rows]


def passes_of(reader: RowReader | None, run: Run, step: Step, processes: int) -> list[Step]:
    """The passes of all processes, which take them in turn; a step without dialogues is one.

    The `reader` measures dialogues; stages without any have none.
    """
    parts = processes * run.accumulation
    if reader is None or (parts == 1 and not run.tokens_per_pass):
        return [step] * processes
    passes = equal_parts(len(step.dialogues), parts)
    if run.tokens_per_pass:
        lengths = [*map(reader.length, step.dialogues)]
        passes = within_limit(lengths, run.tokens_per_pass, processes)
    return as_passes(reader.model, replace(step, processes=processes), passes)


def as_passes(model: MultimodalModel, step: Step, passes: Iterable[Sequence[int]]) -> list[Step]:
    """The step with the rows of each pass."""
    whole = replace(step, summaries=summaries_of(model, step.dialogues))
    return [replace(whole, rows=rows) for rows in passes]


def equal_parts(count: int, parts: int) -> list[Sequence[int]]:
    """The numbers of rows in passes, dealt in turn."""
    return [range(part, count, parts) for part in range(parts)]


def within_limit(lengths: Sequence[int], limit: int, processes: int) -> list[Sequence[int]]:
    """The numbers of rows in as few passes as hold at most `limit` positions each.

    Every process has as many passes. The longest rows come first, each into the pass with the
    fewest positions. A row that is longer than the limit has a pass to itself, if there are as many
    rows as that takes.
    """
    passes: list[list[int]] = [[row] for row in range(len(lengths))]
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    for count in range(processes, len(lengths) + 1, processes):
        passes = [[] for _ in range(count)]
        sizes = [0] * count
        for row in order:
            least = sizes.index(min(sizes))
            passes[least].append(row)
            sizes[least] += lengths[row]
        if all(size <= limit or len(rows) == 1 for size, rows in zip(sizes, passes)):
            break
    return [sorted(rows) for rows in passes]

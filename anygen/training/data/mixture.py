"""The rows of every step of a run, from all of its sources."""

import math
from collections.abc import Callable, Mapping, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from anygen.config.data import Mixing
from anygen.config.run import Run
from anygen.model.multimodal import MultimodalModel
from anygen.training.data.files import RowError
from anygen.training.data.order import Schedule, Visit, permuted
from anygen.training.data.refused import RefusedRows
from anygen.training.data.rows import KeptFeatures, RowReader
from anygen.training.data.sources import FileSource, open_source
from anygen.training.dialogues import Dialogue

EXPONENTS: dict[Mixing, float] = {"size": 1.0, "sqrt": 0.5, "equal": 0.0}
WORKERS = 4  # threads that read the rows of the next step while the present one computes

Row = TypeVar("Row")


@dataclass(frozen=True, eq=False)
class StepRows(Generic[Row]):
    """What a run learns from in one step."""

    own: Sequence[Row] = ()  # of files
    world: int = 0  # how many more the stage draws as it would without data
    plain: int = 0  # how many plain answers of the base LLM


class Mixture(Generic[Row]):
    """Deals the rows of sources to batches, and reads those of files ahead of time.

    A row that cannot be learned from stops the run, or another takes its place: the next one in a
    further fixed order of its source. No other row moves.
    """

    def __init__(
        self,
        run: Run,
        sources: Mapping[int, Sized],
        read: Callable[[Any, int], Row],
        refused: RefusedRows,
        key: str,
        size: int,
    ) -> None:
        """`read` raises RowError; `sources` are those of files, by their number in `run.data`.

        `key` chooses the order, and a batch has `size` rows.
        """
        self.run, self.sources, self.key, self.size = run, sources, key, size
        self.shares = shares_of(run, sources)
        self.schedule = Schedule(tuple(self.shares), key)
        self.read_row, self.refused = read, refused
        self.workers = ThreadPoolExecutor(WORKERS, "rows")
        self.ahead: dict[int, list[Future[Row]]] = {}  # by batch

    def batch(self, number: int, following: int) -> StepRows[Row]:
        """The rows of a batch, while those of the `following` one are read. Raises ValueError."""
        own = self.ahead.pop(number, None) or self.submit(number)
        self.ahead = {following: self.submit(following)}
        drawn = [self.run.data[visit.source] for visit in self.visits(number)]
        return StepRows(
            [future.result() for future in own],
            world=sum(source.world is not None for source in drawn),
            plain=sum(source.plain is not None for source in drawn),
        )

    def visits(self, number: int) -> list[Visit]:
        first = number * self.size
        return [self.schedule.visit(first + row) for row in range(self.size)]

    def submit(self, number: int) -> list[Future[Row]]:
        """The rows of files in a batch, to be read by the workers."""
        own = [visit for visit in self.visits(number) if visit.source in self.sources]
        return [self.workers.submit(self.read, visit) for visit in own]

    def order(self, visit: Visit, count: int, purpose: str = "") -> int:
        """Which of `count` rows a visit turns to: each once in every `count` visits of a source."""
        epoch, position = divmod(visit.number, count)
        return permuted(position, count, f"{self.key}/{visit.source}/{epoch}{purpose}")

    def read(self, visit: Visit) -> Row:
        """The row of a visit, or one instead of it. Raises ValueError."""
        source = self.sources[visit.source]
        row = self.order(visit, len(source))
        for attempt in range(len(source) + 1):  # the row, then all others in a further order
            try:
                return self.read_row(source, row)
            except RowError as error:
                self.refused.refuse(error, self.run.bad_rows)
            epoch, position = divmod(visit.number, len(source))
            instead = Visit(visit.source, epoch * len(source) + (position + attempt) % len(source))
            row = self.order(instead, len(source), "/instead")
        path = self.run.data[visit.source].path
        raise ValueError(f"{path}: no row can be learned from; {self.refused.path} has the reasons")


class DialogueMixture(Mixture[Dialogue]):
    """The dialogues of every step. All processes read all of them."""

    def __init__(self, run: Run, model: MultimodalModel, process: int = 0) -> None:
        """The first process of a run writes what rows were refused.

        Raises ValueError for sources that do not exist or that the model cannot learn from.
        """
        check_plain(run, model)
        sources, refused = open_sources(run), RefusedRows(run.out, process == 0)
        self.kept = KeptFeatures(model, run, process)
        reader = RowReader(model, run.max_length, run.stage, run.seed, self.kept)
        super().__init__(run, sources, reader.read, refused, str(run.seed), run.batch_size)

    def rows(self, step: int) -> StepRows[Dialogue]:
        """Raises ValueError."""
        return self.batch(step, step + 1)


def check_plain(run: Run, model: MultimodalModel) -> None:
    """Raises ValueError if plain answers would teach nothing."""
    if any(source.plain for source in run.data) and model.llm.router is not None:
        raise ValueError("data: this system leaves plain answers to its base LLM; remove plain")


def open_sources(run: Run) -> dict[int, FileSource]:
    """The sources of files, by their number in `run.data`. Raises ValueError."""
    files = {i: settings for i, settings in enumerate(run.data) if settings.path is not None}
    return {i: open_source(settings, run.seed) for i, settings in files.items()}


def with_steps(run: Run) -> Run:
    """The run with the number of steps that its epochs come to, if it has epochs.

    In an epoch as many rows of files are read as there are, each of them once if there is one
    source of files, or with `mixing: size`. Raises ValueError.
    """
    if run.epochs is None:
        return run
    sources = open_sources(run)
    shares = shares_of(run, sources)
    own = sum(shares[index] for index in sources) / sum(shares)
    rows = sum(map(len, sources.values()))
    steps = math.ceil(run.epochs * rows / (run.batch_size * own))
    return run.model_copy(update={"steps": steps, "epochs": None})


def shares_of(run: Run, sources: Mapping[int, Sized]) -> list[float]:
    """The share of each source; those without one divide the rest by the run's mixing.

    The square root of the number of rows is InstructBLIP's (Dai et al. 2023). Sources without rows
    have no share.
    """
    rest = 1 - sum(settings.share for settings in run.data if settings.share is not None)
    weights = {
        index: len(source) ** EXPONENTS[run.mixing] if len(source) else 0.0
        for index, source in sources.items()
        if run.data[index].share is None
    }
    whole = sum(weights.values()) or 1.0
    shares = []
    for index, settings in enumerate(run.data):
        empty = index in sources and not len(sources[index])
        share = rest * weights[index] / whole if settings.share is None else settings.share
        shares.append(0.0 if empty else share)
    return shares

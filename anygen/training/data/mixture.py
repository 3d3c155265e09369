"""The rows of every step of a run, from all of its sources."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from anygen.config.data import Mixing
from anygen.config.run import Run
from anygen.model.multimodal import MultimodalModel
from anygen.training.data.files import RowError
from anygen.training.data.order import Schedule, Visit, permuted
from anygen.training.data.refused import RefusedRows
from anygen.training.data.rows import RowReader
from anygen.training.data.sources import FileSource, open_source
from anygen.training.dialogues import Dialogue

EXPONENTS: dict[Mixing, float] = {"size": 1.0, "sqrt": 0.5, "equal": 0.0}
WORKERS = 4  # threads that read the rows of the next step while the present one computes


@dataclass(frozen=True, eq=False)
class StepRows:
    """What a run learns from in one step."""

    dialogues: Sequence[Dialogue] = ()  # of files
    world: int = 0  # how many more the stage draws as it would without data
    plain: int = 0  # how many plain answers of the base LLM


class Mixture:
    """Deals rows to the steps of a run, and reads those of files ahead of time.

    A row that cannot be learned from stops the run, or another takes its place: the next one in a
    further fixed order of its source. No other row moves.
    """

    def __init__(self, run: Run, model: MultimodalModel, writes: bool = True) -> None:
        """One process of a run `writes` what rows were refused.

        Raises ValueError for sources that do not exist or that the model cannot learn from.
        """
        check_plain(run, model)
        self.run = run
        self.sources = open_sources(run)
        self.schedule = Schedule(tuple(shares_of(run, self.sources)), run.seed)
        self.reader = RowReader(model, run.max_length)
        self.refused = RefusedRows(run.out, writes)
        self.workers = ThreadPoolExecutor(WORKERS, "rows")
        self.ahead: dict[int, list[Future[Dialogue]]] = {}  # by step

    def rows(self, step: int) -> StepRows:
        """What a step learns from. Raises ValueError."""
        own = self.ahead.pop(step, None) or self.submit(step)
        self.ahead = {step + 1: self.submit(step + 1)}
        drawn = [self.run.data[visit.source] for visit in self.visits(step)]
        return StepRows(
            [future.result() for future in own],
            world=sum(source.world is not None for source in drawn),
            plain=sum(source.plain is not None for source in drawn),
        )

    def visits(self, step: int) -> list[Visit]:
        first = step * self.run.batch_size
        return [self.schedule.visit(first + row) for row in range(self.run.batch_size)]

    def submit(self, step: int) -> list[Future[Dialogue]]:
        """The rows of files in a step, to be read by the workers."""
        own = [visit for visit in self.visits(step) if visit.source in self.sources]
        return [self.workers.submit(self.read, visit) for visit in own]

    def read(self, visit: Visit) -> Dialogue:
        """The row of a visit, or one instead of it. Raises ValueError."""
        source = self.sources[visit.source]
        epoch, position = divmod(visit.number, len(source))
        key = f"{self.run.seed}/{visit.source}/{epoch}"
        row = permuted(position, len(source), key)
        for attempt in range(len(source)):
            try:
                return self.reader.read(source, row)
            except RowError as error:
                if self.run.bad_rows == "stop":
                    raise ValueError(f"{error}; bad_rows: skip passes over such rows") from None
                self.refused.add(error)
            place = (position + attempt) % len(source)
            row = permuted(place, len(source), f"{key}/instead")
        path = self.run.data[visit.source].path
        raise ValueError(f"{path}: no row can be learned from; {self.refused.path} has the reasons")


def check_plain(run: Run, model: MultimodalModel) -> None:
    """Raises ValueError if plain answers would teach nothing."""
    if not any(source.plain for source in run.data):
        return
    if run.stage == "encode":
        raise ValueError("data: plain answers hold no media, and stage encode learns to read media")
    if model.llm.router is not None:
        raise ValueError("data: this system leaves plain answers to its base LLM; remove plain")


def open_sources(run: Run) -> dict[int, FileSource]:
    """The sources of files, by their number in `run.data`. Raises ValueError."""
    files = {i: settings for i, settings in enumerate(run.data) if settings.path is not None}
    return {i: open_source(settings, run.seed) for i, settings in files.items()}


def shares_of(run: Run, sources: Mapping[int, FileSource]) -> list[float]:
    """The share of each source; those without one divide the rest by the run's mixing.

    The square root of the number of rows is InstructBLIP's (Dai et al. 2023).
    """
    fixed = [settings.share for settings in run.data]
    open_ends = [index for index, share in enumerate(fixed) if share is None]
    weights = {index: len(sources[index]) ** EXPONENTS[run.mixing] for index in open_ends}
    rest = 1 - sum(share for share in fixed if share is not None)
    return [
        rest * weights[index] / sum(weights.values()) if share is None else share
        for index, share in enumerate(fixed)
    ]

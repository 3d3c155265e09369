"""Rows that a run does not learn from: their losses, what follows from them, what it forgets."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anygen.config.data import DataSource
from anygen.config.held_out import HeldOut
from anygen.config.run import Run
from anygen.core.media import media_of, modality_of
from anygen.core.modality import MEDIA
from anygen.core.schema import explain_in_line, validate
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.generation.request_checks import prepare
from anygen.io.media_files import printable
from anygen.model.multimodal import MultimodalModel
from anygen.training.data.files import RowError
from anygen.training.data.mixture import StepRows, open_sources
from anygen.training.data.rows import RowReader
from anygen.training.data.sources import FileSource, open_source
from anygen.training.dialogues import Dialogue, read_record
from anygen.training.mixtures import draw_dialogues
from anygen.training.parallel.sharing import Replicated
from anygen.training.runs.step import Step, as_passes, equal_parts, within_limit

WORLD = "world"
PREFIX = "held_out/"  # of the names of losses in the log
FORGETTING = "forgetting/"  # of the names of what has grown since the first step

Losses = dict[str, float]
MAX_TOKENS = 64  # of the text in an answer to a held-out question or request


@dataclass
class Best:
    """How the losses went so far; a run keeps it in its state."""

    rows: Any = None  # what the losses are of
    start: Losses = field(default_factory=dict)  # of each source before the first step
    # by source, what its requests are, and the modalities in the first answer to each
    media: dict[str, tuple[Any, list[list[str]]]] = field(default_factory=dict)
    loss: float | None = None
    step: int = 0
    waiting: int = 0  # losses in a row that were no better

    def add(self, loss: float | None, step: int) -> bool:
        """Whether the loss of a step is the best one so far; None is one that is not finite."""
        better = loss is not None and (self.loss is None or loss < self.loss)
        if better:
            self.loss, self.step, self.waiting = loss, step, 0
        else:
            self.waiting += 1
        return better


class HeldOutRows:
    """Rows of every source, by the modalities of their media, and their losses.

    All of them stay in memory. Raises ValueError for sources that do not exist, and for rows that
    the model cannot learn from; `check_held_out` compares them with what is learned.
    """

    def __init__(self, model: MultimodalModel, run: Run, settings: HeldOut) -> None:
        self.run, self.settings = run, settings
        self.reader = RowReader(model, None)
        self.files = open_files(settings, run.seed)
        rows = read_all(model, run, self.files)
        self.sources = {name: grouped(own) for name, own in rows.items()}
        sources = open_requests(settings, run.seed)
        self.requests = {name: read_requests(model, source) for name, source in sources.items()}
        # What the requests of a source are: their files, and how many of these are chosen.
        self.identities = {
            name: [settings.rows, *(file.index.sha256 for file in source.files)]
            for name, source in sources.items()
        }
        self.best = Best(self.fingerprint())

    def fingerprint(self) -> dict[str, Any]:
        """What the losses depend on beside the model."""
        hashes = [file.index.sha256 for source in self.files.values() for file in source.files]
        return {"files": hashes, "world": self.settings.world, "rows": self.settings.rows}

    @property
    def has_begun(self) -> bool:
        """Whether there is what later losses and answers are compared with."""
        known = all(self.is_known(name) for name in self.requests)
        return known and bool(self.best.start or not self.sources)

    def is_known(self, name: str) -> bool:
        """Whether the first answers to the requests of a source are there."""
        return name in self.best.media and self.best.media[name][0] == self.identities[name]

    def state(self) -> dict[str, Any]:
        return asdict(self.best)

    def resume(self, state: Mapping[str, Any] | None) -> None:
        """Goes on from a state. Of losses of other rows only those of the same world still say
        something, and of answers those to the same requests.
        """
        if state is None:
            return
        before = Best(**state)
        if before.rows == self.best.rows:
            self.best = before
            return
        self.best.media = before.media
        if WORLD in before.start and before.rows["world"] == self.best.rows["world"]:
            self.best.start = {WORLD: before.start[WORLD]}

    @property
    def is_exhausted(self) -> bool:
        """Whether the losses have not improved for so long that the run ends."""
        return self.settings.patience is not None and self.best.waiting >= self.settings.patience

    def add(self, losses: Losses, step: int) -> tuple[Losses, bool]:
        """The line of the log for the losses of a step, and whether they are the best ones so far.

        Best is the mean of the files, or without files that of the small world. `forgetting/world`
        is by how much the loss of the small world has grown since the first step.
        """
        row = {f"{PREFIX}{name}": loss for name, loss in losses.items()}
        if not self.best.start:
            self.best.start = {name: losses[name] for name in self.sources if name in losses}
        if self.files and {WORLD} <= losses.keys() & self.best.start.keys():
            row[f"{FORGETTING}{WORLD}"] = round(losses[WORLD] - self.best.start[WORLD], 5)
        names = list(self.files) or [WORLD]
        finite = [losses[name] for name in names if name in losses]
        loss = sum(finite) / len(finite) if len(finite) == len(names) else None
        better = self.best.add(loss, step)
        return {**row, "best_step": self.best.step}, better

    def forgetting(self, ask: Callable[[Sequence[Request]], list[list[str]]]) -> Losses:
        """The share of each file's requests that get other media than when first asked.

        `ask` gives the modalities of the media in the answer to each, in their order.
        """
        found = {}
        for name, requests in self.requests.items():
            media = ask(requests)
            if not self.is_known(name):
                self.best.media[name] = self.identities[name], media
            _, before = self.best.media[name]
            others = sum(now != then for now, then in zip(media, before, strict=True))
            found[f"{FORGETTING}{name}"] = round(others / len(requests), 5)
        return found

    @torch.no_grad()
    def losses(
        self, compute: Callable[[Step], Mapping[str, Tensor]], sharing: Replicated
    ) -> Losses:
        """Of every term by source and modalities, and of every source: the mean over its rows.

        The processes divide the rows, and all of them get all losses. Losses that are not finite
        are left out.
        """
        found: Losses = {}
        for name, groups in self.sources.items():
            whole = 0.0
            for group, rows in groups.items():
                terms = self.terms(f"{name}/{group}", rows, compute, sharing)
                found |= {f"{name}/{group}/{term}": value for term, value in terms.items()}
                whole += len(rows) * sum(terms.values())
            found[name] = whole / sum(map(len, groups.values()))
        finite = {name: round(value, 5) for name, value in found.items() if is_finite(value)}
        return {name: finite[name] for name in sorted(finite)}

    def terms(
        self,
        name: str,
        rows: Sequence[Dialogue],
        compute: Callable[[Step], Mapping[str, Tensor]],
        sharing: Replicated,
    ) -> Losses:
        """The loss of rows of one kind: as of one step, which passes divide."""
        sums: Losses = {}
        rng = random.Random(f"{self.run.seed}/{PREFIX}{name}")
        count = max(len(rows), self.run.denoised)
        noise = [torch.Generator().manual_seed(rng.getrandbits(48)) for _ in range(count)]
        passes = as_passes(
            self.reader.model, Step(0, rng, noise, rows), self.parts(rows, sharing.count)
        )
        for part in passes[sharing.process :: sharing.count]:
            for term, value in compute(part).items():
                sums[term] = sums.get(term, 0.0) + float(value)
        gathered = sharing.gather(sums)
        names = dict.fromkeys(chain.from_iterable(gathered))
        return {term: sum(own.get(term, 0.0) for own in gathered) for term in names}

    def parts(self, rows: Sequence[Dialogue], processes: int) -> list[Sequence[int]]:
        """The numbers of the rows of each pass, which is no larger than a pass of training."""
        if self.run.tokens_per_pass:
            return within_limit([*map(self.reader.length, rows)], self.run.tokens_per_pass, 1)
        size = max(1, self.run.batch_size // (processes * self.run.accumulation))
        return equal_parts(len(rows), -(-len(rows) // size))


def is_finite(value: float) -> bool:
    return abs(value) < float("inf")


def open_files(settings: HeldOut, seed: int) -> dict[str, FileSource]:
    """The sources of rows with answers by name. Raises ValueError if there are no such files."""
    return open_all(settings.path, settings, seed)


def open_requests(settings: HeldOut, seed: int) -> dict[str, FileSource]:
    """The sources of requests by name. Raises ValueError if there are no such files."""
    return open_all(settings.requests, settings, seed)


def open_all(paths: Sequence[str], settings: HeldOut, seed: int) -> dict[str, FileSource]:
    found: dict[str, FileSource] = {}
    for path in paths:
        source = DataSource(path=path, media=settings.media, limit=settings.rows)
        found[name_of(path, found)] = open_source(source, seed)
    return found


def check_held_out(run: Run) -> None:
    """Raises ValueError for held-out files that do not exist, and rows that the run learns from.

    A file that it learns from may have another name.
    """
    if run.held_out is None:
        return
    sources = open_files(run.held_out, run.seed).values()
    open_requests(run.held_out, run.seed)
    learned = {file.index.sha256 for own in open_sources(run).values() for file in own.files}
    for file in chain.from_iterable(source.files for source in sources):
        if file.index.sha256 in learned:
            raise ValueError(
                f"held_out: the run learns from {printable(file.path)}, too; anygen data split "
                "holds rows out of a file"
            )


def name_of(path: str, others: Mapping[str, Any]) -> str:
    """`mine` for mine.held_out.jsonl; a second one of that name is `mine-2`."""
    stem = Path(path).name.removesuffix(".jsonl").removesuffix(".held_out") or "files"
    names = chain([stem], (f"{stem}-{number}" for number in count(2)))
    return next(name for name in names if name not in others and name != WORLD)


def read_all(
    model: MultimodalModel, run: Run, files: Mapping[str, FileSource]
) -> dict[str, Iterable[Dialogue]]:
    """The held-out rows of a run by source, the same whenever they are read.

    Those of files are read as they are asked for, which raises ValueError.
    """
    assert run.held_out is not None
    reader = RowReader(model, run.max_length, run.stage, run.seed)
    found: dict[str, Iterable[Dialogue]] = {
        name: map(partial(reader.read, source), range(len(source)))
        for name, source in files.items()
    }
    if run.held_out.world:
        found[WORLD] = world_rows(model, run, run.held_out.world)
    return found


def read_requests(model: MultimodalModel, source: FileSource) -> list[Request]:
    """Raises RowError for a row that the model cannot be asked."""
    return [read_request(model, source, row) for row in range(len(source))]


def read_request(model: MultimodalModel, source: FileSource, row: int) -> Request:
    """A dialogue that ends with the user's turn, with the options that it has. Raises RowError."""
    record, place = source.read(row), source.place(row)
    try:
        if not record.messages or record.messages[-1].role != "user":
            raise ValueError("the last message is not the user's; requests have no answers")
        dialogue = read_record(record, place.media.read)
        if dialogue.unseen:
            raise ValueError("a medium has only a caption; requests show whole media")
        options: dict[str, Any] = {"max_new_tokens": MAX_TOKENS, **record.options}
        if record.modalities is not None:
            options["modalities"] = record.modalities
        seed = row if record.seed is None else record.seed
        request = Request(dialogue.messages, seed, validate(AnswerOptions, options))
        prepare(model, request)
    except (ValueError, OSError) as error:
        raise RowError(place.file, place.line, record.id, explain_in_line(error)) from None
    return request


def world_rows(model: MultimodalModel, run: Run, count: int) -> list[Dialogue]:
    """Dialogues as the stage draws them, but of a random generator of their own."""
    rng = random.Random(f"{run.seed}/{PREFIX}{WORLD}")
    generator = torch.Generator().manual_seed(rng.getrandbits(48))
    return draw_dialogues(model, run, StepRows(world=count), rng, generator)


def grouped(rows: Iterable[Dialogue]) -> dict[str, list[Dialogue]]:
    """Rows by the modalities of all their media, such as `image+audio`, or `text`."""
    groups: dict[str, list[Dialogue]] = {}
    for row in rows:
        groups.setdefault("+".join(modalities_of(row)) or "text", []).append(row)
    return groups


def modalities_of(row: Dialogue) -> Iterator[str]:
    present = {modality_of(medium) for medium in media_of(row.messages)}
    return (modality for modality in MEDIA if modality in present)

"""Builds a set of dialogues in a folder: the stages one after the other, and a report.

order.json      plan: what is built, with what
jobs.jsonl      plan: what each dialogue is about
raw.jsonl       write: what the writer answered, a line at once
parsed.jsonl    parse: turns of texts and captions
grounded.jsonl  ground: records with media
checked.jsonl   check: those that pass
unique.jsonl    dedup: those that repeat no other, as a person has decided about them
records.jsonl   split: to train on
held_out.jsonl  split: of held-out media and phrasings, to measure with
report.json     pack: counts
refused.jsonl   what was left out so far, with the stage and the name of the reason

A build that was stopped, or that ended before its last stage, goes on with the same arguments:
answers and media are kept, and what is cheap is computed again. Other arguments are refused, since
the answers in the folder would be replaced by those of another build.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from anygen.core.differences import differences
from anygen.core.records import MadeBy, Record
from anygen.core.text import from_json, to_json
from anygen.io.atomic import replacing, write_json
from anygen.io.media_files import printable
from mosit_data.build.answers import Answers, Desk, Examples, Written, examples_for
from mosit_data.build.checks import Expected, check, media_by
from mosit_data.build.cold_start import Round, find_examples
from mosit_data.build.decisions import Decisions, decided, decisions_path, read_decisions
from mosit_data.build.dialogues import RawDialogue, RefusalError, ground
from mosit_data.build.duplicates import Duplicates
from mosit_data.build.grounding import Grounder, JobGrounder, captions_in
from mosit_data.build.jobs import Job, digest_of
from mosit_data.build.presets.base import Kind, Preset, Source
from mosit_data.build.presets.table import PRESETS
from mosit_data.build.subjects import fault_of
from mosit_data.build.writers import Writer
from mosit_data.formats.rows import Refusal
from mosit_data.formats.tables.records import write as record_row

ORDER = "order.json"
FILES = {"train": "records.jsonl", "heldout": "held_out.jsonl"}


@dataclass(frozen=True)
class Order:
    """What is to be built. The same order gives the same bytes."""

    preset: str
    source: Source
    count: int
    writer: Writer
    out: Path
    seed: int = 0
    grounder: Grounder = field(default_factory=JobGrounder)
    licence: str | None = None  # of all records
    refused: Sequence[Refusal] = ()  # rows of the source that could not be read

    def identity(self) -> dict[str, Any]:
        """All that changes a byte of the result, as it stands in the folder."""
        media, character = self.source.media, self.source.character
        return {
            "preset": self.preset,
            "count": self.count,
            "seed": self.seed,
            "licence": self.licence,
            "topics": digest_of([*self.source.topics]) if self.source.topics else None,
            "captions": None if media is None else digest_of([*map(dumped, media)]),
            "character": None if character is None else digest_of(dumped(character)),
            "writer": {"name": self.writer.name, **self.writer.settings},
            "ground": {"name": self.grounder.name, **self.grounder.settings},
        }


@dataclass
class Dialogue:
    """A dialogue on its way through the stages."""

    job: Job
    written: Written | None = None
    raw: RawDialogue | None = None
    record: Record | None = None


class Build:
    """The state of a build: dialogues that are still in, and those that are refused."""

    def __init__(self, order: Order) -> None:
        """Raises ValueError if the order cannot be met, OSError."""
        self.order = order
        self.preset: Preset = PRESETS[order.preset]
        self.kinds: Mapping[str, Kind] = {kind.name: kind for kind in self.preset.kinds}
        self.dialogues: list[Dialogue] = []
        self.refused = [
            {"id": row.id, "stage": "plan", "reason": "source", "sentence": row.reason}
            for row in order.refused
        ]
        self.examples: Examples = {}
        self.rounds: list[Round] = []
        self.decisions: Decisions = {}
        for name in FILES.values():
            self.decisions = {**self.decisions, **read_decisions(decisions_path(order.out / name))}

    # --- the stages

    def plan(self) -> None:
        source = self.order.source
        if source.media is not None:
            faults = [(medium, fault_of(medium, self.preset)) for medium in source.media]
            for medium, fault in faults:
                if fault:
                    self.refuse(medium.path or "", "plan", RefusalError("source", fault))
            usable = [medium for medium, fault in faults if not fault]
            if not usable:
                first = f"; first: {self.refused[0]['sentence']}" if self.refused else ""
                raise ValueError(f"none of the media can be used{first}")
            source = replace(source, media=usable)
        order = self.order
        jobs = self.preset.plan(order.preset, self.preset, source, order.count, order.seed)
        claim(order)
        self.dialogues = [Dialogue(job) for job in jobs]
        self.store("jobs.jsonl", (job.model_dump(mode="json") for job in jobs))

    def write(self) -> None:
        order = self.order
        desk = Desk(order.writer, Answers(order.out / "raw.jsonl"), self.kinds, order.out)
        jobs = [dialogue.job for dialogue in self.dialogues]
        used: list[Written] = []

        def judge(written: Written) -> Record | None:
            used.append(written)
            try:
                record = self.grounded(written, self.parsed(written), JobGrounder())
                check(record, self.expected(written.job))
            except RefusalError:
                return None
            return record

        if self.preset.examples:
            self.examples, self.rounds = find_examples(jobs, desk, judge, self.preset.examples)
        written = desk.write_all(jobs, self.examples)
        for dialogue, one in zip(self.dialogues, written):
            dialogue.written = one
        desk.answers.store([key for one in (*used, *written) for key in one.answer_keys])

    def parse(self) -> None:
        self.each("parse", self.parse_one)
        self.store("parsed.jsonl", ({"id": d.job.id, **dumped(d.raw)} for d in self.dialogues))

    def parse_one(self, dialogue: Dialogue) -> None:
        dialogue.raw = self.parsed(written_of(dialogue))

    def ground(self) -> None:
        raws = [dialogue.raw for dialogue in self.dialogues if dialogue.raw]
        self.order.grounder.prepare([text for raw in raws for text in captions_in(raw)])
        self.each("ground", self.ground_one)
        self.store_records("grounded.jsonl")

    def ground_one(self, dialogue: Dialogue) -> None:
        assert dialogue.raw is not None
        written = written_of(dialogue)
        dialogue.record = self.grounded(written, dialogue.raw, self.order.grounder)

    def check(self) -> None:
        self.each("check", lambda d: check(record_of(d), self.expected(d.job)))
        self.store_records("checked.jsonl")

    def dedup(self) -> None:
        duplicates = Duplicates()

        def unique(dialogue: Dialogue) -> None:
            if earlier := duplicates.find_or_add(record_of(dialogue)):
                raise RefusalError("duplicate", f"its words are nearly those of {earlier}")

        self.each("dedup", unique)
        self.each("dedup", self.decide)
        self.store_records("unique.jsonl")

    def decide(self, dialogue: Dialogue) -> None:
        dialogue.record = decided(record_of(dialogue), self.decisions)
        if dialogue.record is None:
            raise RefusalError("review", "a person has dropped it")

    def split(self) -> None:
        for split, name in FILES.items():
            records = [record_of(d) for d in self.dialogues if d.job.split == split]
            self.store(name, map(record_row, records))

    def pack(self) -> None:
        write_json(self.report(), self.order.out / "report.json")

    # --- one dialogue

    def parsed(self, written: Written) -> RawDialogue:
        if written.refusal is not None:
            raise written.refusal
        return self.kinds[written.job.kind].parse(written.job, written.texts)

    def grounded(self, written: Written, raw: RawDialogue, grounder: Grounder) -> Record:
        job = written.job
        made_by = MadeBy(writer=self.order.writer.name, prompt=written.prompt, seed=job.seed)
        record = ground(raw, job, grounder.find, made_by)
        return record.model_copy(update={"licence": self.order.licence})

    def expected(self, job: Job) -> Expected:
        shown = tuple(example.answer for example in examples_for(job, self.examples))
        return Expected(job, self.kinds[job.kind].max_words, shown)

    # --- what all stages share

    def each(self, stage: str, step: Callable[[Dialogue], None]) -> None:
        """Runs a step of every dialogue, and takes out those that it refuses."""
        kept = []
        for dialogue in self.dialogues:
            try:
                step(dialogue)
            except RefusalError as refusal:
                self.refuse(dialogue.job.id, stage, refusal)
            else:
                kept.append(dialogue)
        self.dialogues = kept

    def refuse(self, name: str, stage: str, refusal: RefusalError) -> None:
        row = {"id": name, "stage": stage, "reason": refusal.reason, "sentence": str(refusal)}
        self.refused.append(row)

    def store(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        path = self.order.out / name
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
            stream.writelines(to_json(row) + "\n" for row in rows)

    def store_records(self, name: str) -> None:
        self.store(name, (record_row(record_of(dialogue)) for dialogue in self.dialogues))

    @property
    def reasons(self) -> dict[str, int]:
        return dict(Counter(row["reason"] for row in self.refused).most_common())

    def kept(self, split: str) -> int:
        return sum(dialogue.job.split == split for dialogue in self.dialogues)

    def report(self) -> dict[str, Any]:
        records = [record_of(dialogue) for dialogue in self.dialogues]
        jobs = [dialogue.job for dialogue in self.dialogues]
        counts: dict[str, Counter[Any]] = {
            "kinds": Counter(job.kind for job in jobs),
            "mixes": Counter("+".join(job.mix) for job in jobs if job.mix),
            "tasks": Counter(job.task for job in jobs if job.task),
            "media of the assistant": Counter(
                p.type for r in records for p in media_by(r, "assistant")
            ),
            "media of the user": Counter(p.type for r in records for p in media_by(r, "user")),
            "rounds": Counter(len(r.messages) // 2 for r in records),
        }
        return {
            "preset": self.order.preset,
            "writer": self.order.writer.name,
            "grounded by": self.order.grounder.name,
            "seed": self.order.seed,
            "licence": self.order.licence,
            "kept": {split: self.kept(split) for split in FILES},
            "refused": self.reasons,
            **{name: dict(sorted(count.items())) for name, count in counts.items() if count},
            **({"cold start": [asdict(one) for one in self.rounds]} if self.rounds else {}),
        }


STAGES: Mapping[str, Callable[[Build], None]] = {
    stage.__name__: stage
    for stage in (
        *(Build.plan, Build.write, Build.parse, Build.ground),
        *(Build.check, Build.dedup, Build.split, Build.pack),
    )
}


def build(order: Order, until: str = "pack") -> Build:
    """Runs the stages up to `until`.

    Raises ValueError if `out` cannot be a folder or every dialogue is refused, OSError.
    """
    out = order.out
    if out.exists() and not out.is_dir():
        raise ValueError(f"{printable(out)}: is a file; name a folder")
    out.mkdir(parents=True, exist_ok=True)
    result = Build(order)
    for name, stage in STAGES.items():
        stage(result)
        result.store("refused.jsonl", result.refused)
        if name == until:
            break
    if not result.dialogues:
        first = next(row["sentence"] for row in result.refused if row["stage"] != "plan")
        raise ValueError(f"every dialogue is refused, see {out / 'refused.jsonl'}; first: {first}")
    return result


def claim(order: Order) -> None:
    """Notes in the folder what is built there.

    Raises ValueError, with the differences, if it has the answers of another build.
    """
    path, answers = order.out / ORDER, order.out / "raw.jsonl"
    values = order.identity()
    is_built = answers.is_file() and answers.stat().st_size > 0
    if is_built and (order.out / "jobs.jsonl").exists():
        try:
            before = from_json(path.read_bytes())
        except (FileNotFoundError, ValueError):
            before = None
        if not isinstance(before, dict):
            raise ValueError(
                f"{printable(order.out)}: holds a build, and no {ORDER} that says with what it was "
                "built; choose another --out"
            )
        if changes := differences(before, from_json(to_json(values))):
            raise ValueError(
                f"{printable(order.out)}: is the folder of another build: {'; '.join(changes)}; "
                "give what was given there, or choose another --out"
            )
    write_json(values, path)


def written_of(dialogue: Dialogue) -> Written:
    assert dialogue.written is not None
    return dialogue.written


def record_of(dialogue: Dialogue) -> Record:
    assert dialogue.record is not None
    return dialogue.record


def dumped(model: BaseModel | None) -> dict[str, Any]:
    assert model is not None
    return model.model_dump(mode="json", exclude_unset=True)

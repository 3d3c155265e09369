"""The answers of a writer, kept in a file as they come: a stopped build goes on from it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from anygen.core.text import from_json, to_json
from anygen.io.atomic import replacing
from anygen.io.media_files import printable
from mosit_data.build.dialogues import RefusalError
from mosit_data.build.jobs import Job
from mosit_data.build.presets.base import Kind
from mosit_data.build.writers import Example, Request, Writer

Examples = Mapping[str, tuple[Example, ...]]  # by the name of the kind


@dataclass(frozen=True)
class Written:
    """The writer's answers to all steps of a job, or why it is refused."""

    job: Job
    keys: tuple[str, ...]  # the SHA-256 of each prompt
    texts: tuple[str, ...]  # empty for a step that was not needed
    refusal: RefusalError | None = None

    @property
    def answer_keys(self) -> list[tuple[str, str]]:
        """Those of `Answers`; the prompt that was refused has no answer."""
        answered = self.keys[:-1] if self.refusal else self.keys
        return [(self.job.id, key) for key in answered]

    @property
    def prompt(self) -> str:
        """The SHA-256 that stands in the record: of the last step."""
        return self.keys[-1]


class Answers:
    """A file with a line for each answer, under the job's id and the SHA-256 of the prompt."""

    def __init__(self, path: Path) -> None:
        """Raises ValueError if a line is damaged, other than a last one that was cut off."""
        self.path = path
        self._texts = dict(read_whole_lines(path)) if path.exists() else {}
        self._lock = threading.Lock()
        self.store(list(self._texts))

    def get(self, job: str, key: str) -> str | None:
        return self._texts.get((job, key))

    def add(self, job: str, key: str, text: str) -> None:
        """Safe to be called by several threads."""
        with self._lock:
            self._texts[job, key] = text
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(line_of(job, key, text))

    def store(self, keys: Sequence[tuple[str, str]]) -> None:
        """Rewrites the file with these answers alone, in this order."""
        with replacing(self.path) as temporary, temporary.open("w", encoding="utf-8") as stream:
            stream.writelines(line_of(*key, self._texts[key]) for key in dict.fromkeys(keys))


def line_of(job: str, key: str, text: str) -> str:
    return to_json({"id": job, "key": key, "text": text}) + "\n"


def read_whole_lines(path: Path) -> Iterator[tuple[tuple[str, str], str]]:
    *lines, _ = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            row = from_json(line)
            yield (str(row["id"]), str(row["key"])), str(row["text"])
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"{printable(path)}:{number}: is damaged; remove the file to write all anew"
            ) from None


def examples_for(job: Job, examples: Examples) -> tuple[Example, ...]:
    """Those of the job's kind, without the job itself."""
    return tuple(example for example in examples.get(job.kind, ()) if example.job != job.id)


@dataclass(frozen=True)
class Desk:
    """Where jobs are written."""

    writer: Writer
    answers: Answers
    kinds: Mapping[str, Kind]
    folder: Path

    def write_all(self, jobs: Sequence[Job], examples: Examples) -> list[Written]:
        """In the order of the jobs. After an error no further job is begun.

        Raises ValueError, OSError; what is written until then is kept.
        """
        if self.writer.parallel == 1:
            return [self.write(job, examples) for job in jobs]
        with ThreadPoolExecutor(self.writer.parallel) as pool:
            try:
                return list(pool.map(lambda job: self.write(job, examples), jobs))
            finally:
                pool.shutdown(cancel_futures=True)

    def write(self, job: Job, examples: Examples) -> Written:
        """All steps of a job, one after the other."""
        keys: list[str] = []
        texts: list[str] = []
        for number, step in enumerate(self.kinds[job.kind].steps):
            if not step.is_needed(job, texts):
                texts.append("")
                continue
            shots = examples_for(job, examples)
            request = Request(job, step, number, tuple(texts), shots, self.folder)
            key = hashlib.sha256(self.writer.key(request).encode()).hexdigest()
            keys.append(key)
            text = self.answers.get(job.id, key)
            if text is None:
                try:
                    text = self.writer.write(request)
                except RefusalError as refusal:
                    return Written(job, tuple(keys), tuple(texts), refusal)
                self.answers.add(job.id, key, text)
            texts.append(text)
        return Written(job, tuple(keys), tuple(texts))

"""Write: what answers the steps of a job. The grammar needs no LLM."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from anygen.core.media import Media
from anygen.core.text import to_json
from anygen.io.media_files import read_media
from mosit_data.build.jobs import Job
from mosit_data.build.presets.base import Step
from mosit_data.world.render import render
from mosit_data.world.scene import parse_scene


@dataclass(frozen=True)
class Example:
    """A dialogue of the cold start that shows an LLM how to answer."""

    job: str  # the id of the dialogue
    request: str
    answer: str


@dataclass(frozen=True)
class Request:
    """One step of a job, with what its earlier steps gave."""

    job: Job
    step: Step
    number: int  # of the step, from 0
    earlier: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    folder: Path = Path()  # paths of media are relative to it

    @property
    def seed(self) -> int:
        """Below 2**31, as endpoints take them."""
        return (self.job.seed + self.number) % 2**31

    def text(self) -> str:
        return self.step.request(self.job, self.earlier)

    def messages(self) -> list[dict[str, str]]:
        """The prompt as text, in the form of OpenAI's protocol."""
        shots = [
            {"role": role, "content": text}
            for example in self.examples
            for role, text in (("user", example.request), ("assistant", example.answer))
        ]
        return [
            {"role": "system", "content": self.step.rules},
            *shots,
            {"role": "user", "content": self.text()},
        ]

    def medium(self) -> Media | None:
        """What the writer is shown. Raises ValueError if it is damaged, OSError."""
        if not self.step.sees:
            return None
        medium = self.job.media[0]
        if medium.path is not None:
            return read_media(self.folder / medium.path)
        return render(parse_scene(medium.scene or {}))


class Writer(Protocol):
    """Answers requests. What depends on the request alone has one answer for each."""

    name: str
    parallel: int  # how many answers may be written at the same time

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides all answers beside the requests: those of a folder have the same."""

    def key(self, request: Request) -> str:
        """All that decides the answer: one that is kept under another key is written anew."""

    def write(self, request: Request) -> str:
        """Raises RefusalError if the answer is unusable, ValueError if there can be none."""


class GrammarWriter:
    """Phrases everything by the small world's grammar."""

    name = "grammar"
    parallel = 1
    settings: Mapping[str, Any] = {}

    def key(self, request: Request) -> str:
        return to_json([request.job.model_dump(mode="json"), request.number, request.earlier])

    def write(self, request: Request) -> str:
        rng = random.Random(f"{request.job.seed} {request.number}")
        return request.step.phrase(rng, request.job, request.earlier)

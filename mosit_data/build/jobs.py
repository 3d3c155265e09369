"""What is known of a dialogue before anything is written: its job, and the media it is about."""

from __future__ import annotations

import hashlib
import random
from typing import Annotated, Any

from pydantic import Field

from anygen.core.modality import MediaModality
from anygen.core.schema import Strict
from anygen.core.text import to_json
from mosit_data.build.character import Character
from mosit_data.world.scene import Split


class Box(Strict):
    """Where a thing is: left, top, right and bottom, in shares of width and height."""

    name: str
    corners: tuple[float, float, float, float]


class Medium(Strict):
    """A medium that the dialogue may hold: a scene of the small world, or a file.

    A writer without eyes knows nothing of it but captions, boxes and labels.
    """

    type: MediaModality
    scene: dict[str, Any] | None = None
    path: str | None = None  # relative to the folder of the records
    captions: Annotated[tuple[str, ...], Field(min_length=1)]
    boxes: tuple[Box, ...] = ()
    labels: dict[str, str] = {}  # such as {"colour": "red"}; each is a task of `multiinstruct`
    is_shown: bool = False  # by the user; else the assistant makes it

    @property
    def caption(self) -> str:
        return self.captions[0]


class Job(Strict):
    """A dialogue to write."""

    id: str
    kind: str
    seed: int
    split: Split
    media: tuple[Medium, ...]
    mix: tuple[MediaModality, ...] = ()  # what the assistant makes
    topic: str = ""
    persona: str = ""  # who talks to the assistant
    character: Character | None = None  # of the assistant
    task: str = ""  # the label that is the answer
    options: tuple[str, ...] = ()  # the answer and wrong ones
    source: str | None = None  # of the record: the name of the medium it is about
    # Captions of made media are the writer's own, and are grounded afterwards; those of `media` are
    # for a writer that has none.
    own_captions: bool = False


def digest_of(values: Any) -> str:
    """What tells these values from others, in 16 letters."""
    return hashlib.sha256(to_json(values).encode()).hexdigest()[:16]


def job_random(seed: int, name: str) -> random.Random:
    """What is drawn for a job depends on its name alone, not on how many jobs there are."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))

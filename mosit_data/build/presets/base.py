"""What a preset is made of: kinds of dialogues, and the steps in which each is written."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anygen.core.modality import MEDIA, MediaModality
from anygen.core.text import to_json
from mosit_data.build.character import Character
from mosit_data.build.dialogues import RawDialogue
from mosit_data.build.jobs import Job, Medium

Texts = Sequence[str]  # what the earlier steps of a dialogue gave

FORM = """Answer with JSON alone:
{"turns": [{"role": "user", "parts": [{"text": "..."}]},
{"role": "assistant", "parts": [{"text": "..."}]}]}
User and assistant take turns; the user begins and the assistant ends."""


def always(job: Job, earlier: Texts) -> bool:
    return True


def any_medium(medium: Medium) -> bool:
    return True


@dataclass(frozen=True)
class Step:
    """One answer of the writer: what an LLM is asked, and how the grammar phrases the same."""

    rules: str  # the system message
    request: Callable[[Job, Texts], str]  # the user's message
    phrase: Callable[[random.Random, Job, Texts], str]  # raises RefusalError
    is_json: bool = False  # the answer has the form of a RawDialogue
    sees: bool = False  # the LLM is shown the medium itself
    is_needed: Callable[[Job, Texts], bool] = always  # else its answer is empty


@dataclass(frozen=True)
class Kind:
    """A kind of dialogue."""

    name: str
    steps: tuple[Step, ...]
    parse: Callable[[Job, Texts], RawDialogue]  # of the answers to all steps; raises RefusalError
    max_words: int = 120  # of a turn
    suits: Callable[[Medium], bool] = any_medium


@dataclass(frozen=True)
class Source:
    """What dialogues are about: `media` is None for scenes of the small world."""

    topics: Sequence[str] = ()
    media: Sequence[Medium] | None = None
    own_captions: bool = False
    modalities: tuple[MediaModality, ...] = MEDIA  # of media that can be found or made
    character: Character | None = None  # of the assistant


@dataclass(frozen=True)
class Preset:
    """A way to build a set, in the manner of a published one."""

    kinds: Mapping[Kind, float]  # with their shares
    plan: Callable[[str, Preset, Source, int, int], list[Job]]  # name, preset, source, count, seed
    modalities: tuple[MediaModality, ...] = MEDIA
    min_words: int = 0  # of a medium's captions together
    examples: int = 0  # how many dialogues of its own the cold start promotes
    needs_topics: bool = False
    # Whether the grammar can write about media of which it has captions and no scene.
    grammar_reads_captions: bool = False


def turns_json(pairs: Sequence[tuple[str, str]]) -> str:
    """Questions and answers in the form of a RawDialogue."""
    turns: list[dict[str, Any]] = []
    for pair in pairs:
        for role, text in zip(("user", "assistant"), pair):
            turns.append({"role": role, "parts": [{"text": text}]})
    return to_json({"turns": turns})


def what_is_known(medium: Medium) -> str:
    """Captions, boxes and labels, as lines."""
    lines = [f"Captions of the {NOUNS[medium.type]}:"]
    lines += [f"- {caption}" for caption in medium.captions]
    if medium.boxes:
        lines.append("Boxes, as left, top, right, bottom from 0 to 1:")
        lines += [f"- {box.name}: {corners(box.corners)}" for box in medium.boxes]
    if medium.labels:
        lines.append("Labels:")
        lines += [f"- {name}: {value}" for name, value in medium.labels.items()]
    return "\n".join(lines)


def corners(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


NOUNS: Mapping[MediaModality, str] = {"image": "picture", "audio": "sound", "video": "video"}

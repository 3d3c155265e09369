"""Matches: who answers which prompt, and the answers, without the names of the models.

A prompt always meets the same pair in the same order, whoever votes and wherever a session was
stopped: both follow from the seed and its id.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from anygen.anygen import AnyGen
from anygen.config.placement import Placement
from anygen.core.media import Message, Part, modality_of
from anygen.core.records import Record
from anygen.core.schema import explain_in_line
from anygen.evaluation.asking import reply_all
from anygen.evaluation.endpoint import is_endpoint, open_endpoint
from anygen.evaluation.suites.base import Answerer
from anygen.generation.answer import Answer
from anygen.generation.request import Request, derive_seed
from anygen.io.media_files import read_media
from anygen.training.dialogues import read_record


@dataclass(frozen=True, eq=False)
class Prompt:
    """What both models are asked."""

    id: str
    messages: Sequence[Message]

    @property
    def text(self) -> str:
        return " / ".join(as_text(message.parts) for message in self.messages)


@dataclass(frozen=True, eq=False)
class Match:
    """A prompt with the answers of two models, in the order in which they are shown."""

    prompt: Prompt
    models: tuple[str, str]
    answers: tuple[Answer, Answer]

    @property
    def texts(self) -> tuple[str, str]:
        first, second = (as_text(answer.message.parts) for answer in self.answers)
        return first, second

    @property
    def failures(self) -> list[str]:
        """A sentence for each model that could not answer."""
        return [
            f"{model} has no answer to {self.prompt.id}: {' '.join(answer.failed) or 'cancelled'}"
            for model, answer in zip(self.models, self.answers)
            if answer.finish == "cancelled"
        ]


def as_text(parts: Sequence[Part]) -> str:
    """With a medium as `[image]`."""
    return " ".join(part if isinstance(part, str) else f"[{modality_of(part)}]" for part in parts)


def read_prompts(path: Path) -> list[Prompt]:
    """The lines of a text file, or the records of a .jsonl file.

    Raises ValueError for a missing file, for a line that is no record, and for an id twice.
    """
    if not path.is_file():
        raise ValueError(f"there is no file of prompts {path}")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if path.suffix == ".jsonl":
        prompts = [read_prompt(line, path, n) for n, line in enumerate(lines, start=1)]
    else:
        prompts = [
            Prompt(str(number), [Message("user", (line.strip(),))])
            for number, line in enumerate(lines, start=1)
        ]
    names = [prompt.id for prompt in prompts]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{path}: two prompts have the id {repeated[0]!r}")
    if not prompts:
        raise ValueError(f"{path}: holds no prompts")
    return prompts


def read_prompt(line: str, path: Path, number: int) -> Prompt:
    try:
        record = Record.model_validate(json.loads(line))
    except ValidationError as error:
        raise ValueError(f"{path}:{number}: {explain_in_line(error, Record)}") from None
    except ValueError as error:
        raise ValueError(f"{path}:{number}: is not JSON: {error}") from None
    dialogue = read_record(record, lambda name: read_media(path.parent / name))
    return Prompt(record.id, dialogue.messages)


def open_models(names: Sequence[str], place: Placement = Placement()) -> dict[str, Answerer]:
    """Names, folders or endpoints. Raises ValueError for fewer than two, or one twice."""
    if len(set(names)) != len(names) or len(names) < 2:
        raise ValueError("the arena needs two models or more, each of them once")
    return {name: open_model(name, place) for name in names}


def open_model(name: str, place: Placement) -> Answerer:
    if is_endpoint(name):
        return open_endpoint(name)
    return AnyGen.from_pretrained(name, **dict(place))


def draw_pair(names: Sequence[str], prompt: str, seed: int) -> tuple[str, str]:
    """Two of the models, all pairs and both orders being equally likely."""
    rng = random.Random(f"{seed}/arena/{prompt}")
    first, second = rng.sample(sorted(names), 2)
    return first, second


def play_matches(
    models: Mapping[str, Answerer],
    prompts: Sequence[Prompt],
    seed: int,
    done: Set[str] = frozenset(),
) -> Iterator[Match]:
    """The matches of the prompts that are not done, each with its answers when it is its turn."""
    for prompt in prompts:
        if prompt.id in done:
            continue
        pair = draw_pair(list(models), prompt.id, seed)
        request = Request(prompt.messages, derive_seed(seed, prompt.id))
        first, second = (reply_all(models[name], [request])[0] for name in pair)
        yield Match(prompt, pair, (first, second))


def battle_fields(match: Match) -> dict[str, Any]:
    """What a battle records of its match."""
    return {
        "id": match.prompt.id,
        "first": match.models[0],
        "second": match.models[1],
        "prompt": match.prompt.text,
        "answers": match.texts,
    }

"""A batch without a network: a model that draws noise, and files of rows."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from anygen.batch.answering import BatchSettings
from anygen.batch.runner import generate_file, ignore
from anygen.checkpoints.model_id import ModelId
from anygen.core.media import Image, Message
from anygen.generation.answer import Answer, MediaInfo
from anygen.generation.request import Request


class Painter:
    """Answers every prompt with a text and a picture that its seed decides.

    A prompt that says "refuse" cannot be answered; one that says "break" meets a fault of the
    program; one that says "stop" interrupts, as Ctrl-C.
    """

    model_id = ModelId("mini", "0" * 64)

    def __init__(self) -> None:
        self.batches: list[list[Request]] = []

    def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
        self.batches.append(list(requests))
        made = (MediaInfo(part=0),)
        return [Answer(self.answer(request), "stop", media_info=made) for request in requests]

    def answer(self, request: Request) -> Message:
        prompt = str(request.messages[-1].parts[0])
        if "refuse" in prompt:
            raise ValueError("the prompt is too long")
        if "break" in prompt:
            raise RuntimeError("sizes do not match")
        if "stop" in prompt:
            raise KeyboardInterrupt
        generator = torch.Generator().manual_seed(request.seed)
        pixels = torch.randint(0, 256, (3, 4, 4), dtype=torch.uint8, generator=generator)
        return Message("assistant", (f"Here is {prompt}:", Image(pixels)))


def never_load() -> Painter:
    pytest.fail("the model was loaded")


def write_rows(folder: Path, *rows: Any) -> Path:
    """A JSONL file; a row that is a text is written as it is."""
    path = folder / "rows.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows))
    return path


def run(
    load: Callable[[], Painter], source: Path | str, out: Path, on_start=ignore, **settings
) -> list[dict]:
    return list(generate_file(load, source, BatchSettings(out, **settings), on_start))


def records(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]


def rows_of(*prompts: str) -> list[dict]:
    return [{"id": f"r{i}", "prompt": prompt} for i, prompt in enumerate(prompts)]

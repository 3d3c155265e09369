"""Models for other processes, which import them by name."""

import os
import time
from errno import ENOSPC
from pathlib import Path

from anygen import AnyGen
from anygen.core.media import Message
from anygen.generation.request import Request
from decoders.base import CancelledError
from support.batches import Painter

HANGING = 77


class Harmful(Painter):
    """Ends its process at a prompt that says "die"."""

    def answer(self, request: Request) -> Message:
        if "die" in str(request.messages[-1].parts[0]):
            os._exit(7)
        return super().answer(request)


class FullDisk(Painter):
    """Meets a full disk."""

    def answer(self, request: Request) -> Message:
        os.fsync = full
        return super().answer(request)


def full(stream: int) -> None:
    raise OSError(ENOSPC, "No space left on device")


class Meeting(Painter):
    """Answers nothing until two processes with this model and this folder have a question each."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def answer(self, request: Request) -> Message:
        (self.folder / str(os.getpid())).touch()
        while len(list(self.folder.iterdir())) < 2:
            time.sleep(0.01)
        return super().answer(request)


def meet(folder: str, place: object) -> Meeting:
    """In the place of the function that loads the model of this name."""
    return Meeting(Path(folder))


def refuse() -> Painter:
    raise ValueError("no model named 'x'")


def open_tiny(folder: Path) -> AnyGen:
    """The model in a folder. A video of HANGING steps is never finished."""
    model = AnyGen.from_pretrained(folder)
    videos = model.model.decoders["video"]
    sample = videos.sample

    def sample_or_hang(requests, on_step, cancelled):
        if requests[0].options.steps != HANGING:
            return sample(requests, on_step, cancelled)
        on_step(1, 2)
        while not cancelled():
            time.sleep(0.01)
        raise CancelledError

    videos.sample = sample_or_hang
    return model

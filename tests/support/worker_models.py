"""Models for other processes, which import them by name."""

import os
import time
from errno import ENOSPC
from pathlib import Path

from anygen.core.media import Message
from anygen.generation.request import Request
from support.batches import Painter


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

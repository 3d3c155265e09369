"""Models for other processes, which import them by name."""

import os
from errno import ENOSPC

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


def refuse() -> Painter:
    raise ValueError("no model named 'x'")

"""What a server keeps beside media: responses that can be continued, and files of clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from anygen.core.media import Audio, Image, Message, Part
from anygen.core.modality import MediaModality


@dataclass(frozen=True, eq=False)
class StoredResponse:
    """A response as it was sent, and the conversation up to it, without its instructions."""

    body: bytes  # JSON
    messages: Sequence[Message]

    @cached_property
    def size(self) -> int:
        parts = (part for message in self.messages for part in message.parts)
        return len(self.body) + sum(map(size_of_part, parts))


@dataclass(frozen=True, eq=False)
class StoredFile:
    """A medium that a client has uploaded."""

    id: str
    data: bytes
    modality: MediaModality
    filename: str
    purpose: str
    created_at: int  # seconds since 1970
    expires_at: int

    @property
    def size(self) -> int:
        return len(self.data)


def size_of_part(part: Part) -> int:
    """The bytes that it takes in memory."""
    if isinstance(part, str):
        return len(part)
    if isinstance(part, Image):
        return part.pixels.nbytes
    if isinstance(part, Audio):
        return part.samples.nbytes
    return part.frames.nbytes + (size_of_part(part.audio) if part.audio else 0)

"""A request: a conversation, a seed and options."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from anygen.checkpoints.model_id import ModelId
from anygen.core.media import Media, Message, media_of
from anygen.generation.events import Event
from anygen.generation.options import AnswerOptions
from decoders.base import Cancelled, never


@dataclass(frozen=True)
class Request:
    """A conversation to be answered. Raises TypeError for one that is not of messages."""

    messages: Sequence[Message]
    seed: int = 0
    options: AnswerOptions = AnswerOptions()
    # How often each medium is shown while it is rendered, at most: mini shows pictures alone.
    previews: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.messages, str | Message):
            kind = type(self.messages).__name__
            raise TypeError(f"messages: must be a list of Message, not one {kind}")
        for message in self.messages:
            if not isinstance(message, Message):
                raise TypeError(f"messages: each is a Message, not {type(message).__name__}")

    @property
    def edited(self) -> Media | None:
        """The medium that those of the answer start from. Raises ValueError if it is missing."""
        if self.options.edit is None:
            return None
        media, number = media_of(self.messages), self.options.edit.ref
        if number > len(media):
            raise ValueError(f"ref: there is no medium {number}; the dialogue has {len(media)}")
        return media[number - 1]


class Model(Protocol):
    """What a conversation needs of `anygen.AnyGen`."""

    @property
    def model_id(self) -> ModelId: ...

    def answer(self, request: Request, cancelled: Cancelled = never) -> Iterator[Event]: ...


def derive_seed(*keys: int | str) -> int:
    """A seed from (run seed, row), (run seed, turn) or (request seed, medium): 48 bits."""
    digest = hashlib.sha256("/".join(map(str, keys)).encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big")

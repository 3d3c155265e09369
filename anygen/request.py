"""What an answer is asked with."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from anygen.events import Event
from anygen.media import Message
from anygen.modality import Modality
from decoders.base import Cancelled, SampleOptions, never


@dataclass(frozen=True)
class Request:
    """One conversation that wants an answer."""

    messages: Sequence[Message]
    seed: int = 0
    modalities: Sequence[Modality] | None = None  # that the answer may contain; None is all
    max_new_tokens: int = 256
    options: SampleOptions = SampleOptions()


@dataclass(frozen=True)
class Maker:
    """Which model makes something."""

    model: str  # the name of a shipped one, or a folder
    weights: str  # SHA-256 of its file


class Model(Protocol):
    """What a conversation needs of `anygen.AnyGen`."""

    @property
    def maker(self) -> Maker: ...

    def reply(
        self,
        messages: Sequence[Message],
        *,
        seed: int,
        modalities: Sequence[Modality] | None,
        max_new_tokens: int,
        options: SampleOptions,
        cancelled: Cancelled,
    ) -> Iterator[Event]: ...


def ask(model: Model, request: Request, cancelled: Cancelled = never) -> Iterator[Event]:
    """The events of the answer."""
    return model.reply(
        request.messages,
        seed=request.seed,
        modalities=request.modalities,
        max_new_tokens=request.max_new_tokens,
        options=request.options,
        cancelled=cancelled,
    )


def derive_seed(*keys: int | str) -> int:
    """A seed from (run seed, row), (run seed, turn) or (request seed, medium): 48 bits."""
    digest = hashlib.sha256("/".join(map(str, keys)).encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big")

"""What an answer is asked with."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from anygen.media import Message
from anygen.modality import Modality
from decoders.base import SampleOptions


@dataclass(frozen=True)
class Request:
    """One conversation that wants an answer."""

    messages: Sequence[Message]
    seed: int = 0
    modalities: Sequence[Modality] | None = None  # that the answer may contain; None is all
    max_new_tokens: int = 256
    options: SampleOptions = SampleOptions()


def derive_seed(*keys: int | str) -> int:
    """A seed from (run seed, row), (run seed, turn) or (request seed, medium): 48 bits."""
    digest = hashlib.sha256("/".join(map(str, keys)).encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big")

"""What `AnyGen.reply` yields, in the order in which it happens."""

from dataclasses import dataclass
from typing import Literal

from anygen.media import Media
from anygen.modality import MediaModality

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True)
class TextDelta:
    text: str


@dataclass(frozen=True)
class MediaStarted:
    part: int  # index among the media of this answer, from 0
    modality: MediaModality


@dataclass(frozen=True)
class MediaProgress:
    part: int
    modality: MediaModality
    step: int  # denoising steps done, 1 ... total
    total: int


@dataclass(frozen=True, eq=False)
class MediaDone:
    part: int
    media: Media
    seed: int  # the seed that this medium was rendered with


@dataclass(frozen=True)
class Done:
    finish_reason: FinishReason
    prompt_tokens: int
    new_tokens: int


Event = TextDelta | MediaStarted | MediaProgress | MediaDone | Done

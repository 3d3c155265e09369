"""The events of an answer, in the order in which they happen.

Media may be done in another order than they were asked for: `part` says which one it is.
"""

from dataclasses import dataclass
from typing import Literal

from anygen.core.media import Media
from anygen.core.modality import MediaModality

# withheld: the model went on to a medium that the options rule out, after text that announced it
FinishReason = Literal["stop", "length", "deadline", "cancelled", "withheld"]


@dataclass(frozen=True)
class TextDelta:
    text: str


@dataclass(frozen=True)
class MediaStarted:
    part: int  # index among the media of this answer, from 0
    modality: MediaModality
    fallback: bool = False  # a plain caption stands in for its condition, which is not finite


@dataclass(frozen=True)
class MediaProgress:
    part: int
    modality: MediaModality
    step: int  # denoising steps done, 1 ... total
    total: int


@dataclass(frozen=True, eq=False)
class MediaPreview:
    """What a medium looks like so far: see `Request.previews`."""

    part: int
    media: Media


@dataclass(frozen=True, eq=False)
class MediaDone:
    part: int
    media: Media
    seed: int  # the seed that this medium was rendered with


@dataclass(frozen=True)
class MediaFailed:
    """A medium could not be rendered; the answer continues without it."""

    part: int
    modality: MediaModality
    error: str


@dataclass(frozen=True)
class Forgotten:
    """The oldest messages no longer fit into what the LLM can read."""

    messages: int
    media: int  # in them


@dataclass(frozen=True)
class Done:
    finish_reason: FinishReason
    prompt_tokens: int
    cached_tokens: int  # of the prompt, read in an earlier turn
    new_tokens: int  # of text


@dataclass(frozen=True)
class ChoiceScored:
    """For `AnyGen.score_choices`, which answers nothing."""

    log_likelihood: float  # of the next choice, the sum over its tokens, in nats


Event = (
    Forgotten
    | TextDelta
    | MediaStarted
    | MediaProgress
    | MediaPreview
    | MediaDone
    | MediaFailed
    | Done
    | ChoiceScored
)

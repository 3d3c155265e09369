"""What endpoints of one medium share: their parameters, and an answer that holds nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from anygen.core.media import Media, Message
from anygen.core.modality import MediaModality
from anygen.core.schema import Strict, Text
from anygen.generation.events import Done, Event, MediaDone, MediaFailed
from anygen.generation.options import AnswerOptions
from anygen.serve.api.common import failure
from anygen.serve.engine_thread import Job
from anygen.serve.errors import draining, model_error
from anygen.serve.parameters import Extension, Ignored, draw_seed, merged_options, with_sample
from anygen.serve.service import Service

# Options of an answer, and the parameters of the endpoints of one medium that set them.
NAMES = {
    **{name: name for name in ("steps", "guidance", "size", "frames", "strength")},
    "negative": "negative_prompt",
    "seconds": "audio_length",
}


class OneMedium(Strict):
    """Parameters of every endpoint of one medium."""

    model: str | None = None
    seed: NonNegativeInt | None = None
    steps: PositiveInt | None = None
    guidance: NonNegativeFloat | None = None
    negative_prompt: Text | None = None
    user: Ignored = None
    safety_identifier: Ignored = None
    anygen: Extension = Extension()

    @property
    def first_seed(self) -> int:
        return draw_seed(self.seed if self.seed is not None else self.anygen.seed)

    @property
    def names(self) -> dict[str, str]:
        """For `named`: of the options that the parameters of this request set."""
        return {o: name for o, name in NAMES.items() if getattr(self, name, None) is not None}

    def options(
        self, service: Service, modality: MediaModality, sample: dict[str, Any], **others: Any
    ) -> AnswerOptions:
        """One medium of a modality, and no text. Raises ApiError."""
        own = with_sample(
            self.anygen.options,
            modality,
            steps=self.steps,
            guidance=self.guidance,
            negative=self.negative_prompt,
            **sample,
        )
        only = {"modalities": (modality,), "exactly": {modality: 1}}
        return merged_options(service.settings.options, own, **only, **others)


def message_of(text: str, field: str, *media: Media) -> tuple[Message, ...]:
    """What asks for a medium. Raises ValueError if nothing does."""
    message = Message("user", (*media, text))
    if message.is_empty:
        raise ValueError(f"{field}: is empty; say what is to be made")
    return (message,)


def ignore(_: Event) -> None:
    pass


async def only_medium(job: Job, note: Callable[[Event], None] = ignore) -> tuple[Media, Done]:
    """The medium of an answer that has one; `note` gets every event.

    Raises ApiError if it could not be made.
    """
    result = MediumResult()
    try:
        async for event in job.events():
            note(event)
            result.add(event)
    except ValueError as error:
        raise failure(error) from error
    return result.medium_and_end()


@dataclass
class MediumResult:
    """What the events of an answer with one medium come to."""

    medium: Media | None = None
    reason: str = ""  # why there is none
    done: Done = Done("cancelled", 0, 0, 0)

    def add(self, event: Event) -> None:
        if isinstance(event, MediaDone):
            self.medium = event.media
        elif isinstance(event, MediaFailed):
            self.reason = event.error
        elif isinstance(event, Done):
            self.done = event

    def medium_and_end(self) -> tuple[Media, Done]:
        """Raises ApiError if there is no medium."""
        if self.medium is None:
            finish = self.done.finish_reason
            if finish == "cancelled":  # not by the client, which would not read this
                raise draining()
            raise model_error(self.reason or f"nothing was made: the answer ended ({finish})")
        return self.medium, self.done

"""What an answer may contain, and how its media are rendered."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from anygen.config.sampling import SamplingOptions
from anygen.core.modality import MEDIA, MediaModality, Modality
from anygen.core.schema import Strict, Text
from decoders.base import SampleOptions

Feedback = Literal["wait", "late", "off"]


class Edit(Strict):
    """An earlier medium that those of its modality in the answer start from."""

    ref: PositiveInt  # its number among the media of the dialogue, from 1
    strength: float = Field(default=0.95, gt=0, le=1)  # how far they go from it


class AnswerOptions(SamplingOptions):
    """How tokens are chosen, what an answer may contain and how its media are rendered.

    With `feedback: wait` the LLM reads a medium before it continues. With `late` the text goes on
    while the medium is rendered, and the LLM reads it before the next medium or turn. With `off` it
    never reads its own media.
    """

    modalities: tuple[Modality, ...] | None = None  # None: all
    max_new_tokens: PositiveInt = 256  # of text; media do not count
    max_media: NonNegativeInt = 8
    begin: MediaModality | None = None  # the answer begins with one of these
    exactly: dict[MediaModality, NonNegativeInt] = {}
    at_most: dict[MediaModality, NonNegativeInt] = {}
    words_between: NonNegativeInt = 0  # at least so many between two media
    stop: tuple[Text, ...] = ()  # texts that end the answer, and are not part of it
    # The answer is one of these texts, and has no media.
    choices: tuple[Text, ...] = Field(default=(), max_length=10_000)
    deadline: PositiveFloat | None = None  # seconds
    feedback: Feedback = "wait"
    media: dict[MediaModality, SampleOptions] = {}
    edit: Edit | None = None
    same_seed: bool = False  # all media of an answer begin with the same noise
    same_style: bool = False  # later media of a modality begin with the first one
    caption_fallback: bool = False  # where a condition is unusable, the text is the condition

    def most(self, modality: MediaModality) -> int:
        """How many media of a modality an answer may hold."""
        if self.choices or (self.modalities is not None and modality not in self.modalities):
            return 0
        limits = (self.exactly.get(modality), self.at_most.get(modality), self.max_media)
        return min(limit for limit in limits if limit is not None)

    @property
    def may_speak(self) -> bool:
        return self.modalities is None or "text" in self.modalities

    @property
    def forces_media(self) -> bool:
        """Whether every answer has a medium."""
        return bool(self.begin) or any(self.exactly.values()) or not self.may_speak

    @model_validator(mode="after")
    def _can_be_met(self) -> AnswerOptions:
        if self.modalities == ():
            raise ValueError("modalities: an answer must hold something; name one or more")
        required = {m: n for m, n in self.exactly.items() if n}
        if self.begin and self.most(self.begin) < 1:
            raise ValueError(f"begin: no {self.begin} may be made, so an answer cannot begin so")
        for modality, count in required.items():
            if self.most(modality) < count:
                raise ValueError(
                    f"exactly: {count} {modality} cannot be made, where at most "
                    f"{self.most(modality)} may"
                )
        if any(not text for text in self.stop):
            raise ValueError("stop: an empty text would end every answer at once")
        if self.choices and not (all(self.choices) and self.may_speak):
            raise ValueError("choices: an answer that is one of them has text; none may be empty")
        if not self.may_speak and not any(map(self.most, MEDIA)):
            raise ValueError(
                f"modalities: nothing of {', '.join(self.modalities or ())} may be made, "
                "and there is no text"
            )
        return self

    @model_validator(mode="after")
    def _all_of_exactly_has_its_place(self) -> AnswerOptions:
        media = sum(self.exactly.values())
        if self.begin and not self.exactly.get(self.begin):
            media += 1
        if self.max_media < media:
            raise ValueError(
                f"max_media: {self.max_media} is less than the {media} of exactly and begin"
            )
        words = (media - 1) * self.words_between
        if words > 0 and not self.may_speak:
            raise ValueError("words_between: there are no words where modalities has no text")
        if words > self.max_new_tokens:
            raise ValueError(
                f"words_between: {media} media with {self.words_between} words between them need "
                f"{words} tokens or more, and max_new_tokens is {self.max_new_tokens}"
            )
        return self

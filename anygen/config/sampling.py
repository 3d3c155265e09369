"""How the next token of an answer is chosen: the settings of transformers' `generate`."""

from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, model_validator

from anygen.core.schema import Strict

Temperature = Annotated[float, Field(ge=0, le=2)]
Share = Annotated[float, Field(ge=0, le=1)]
TopShare = Annotated[float, Field(gt=0, le=1)]
Penalty = Annotated[float, Field(gt=0, le=2)]


class Sampling(Strict):
    """The defaults are greedy decoding: the likeliest token, and no penalty."""

    temperature: Temperature = 0.0  # what logits are divided by; 0: the likeliest token
    top_k: NonNegativeInt = 0  # only so many of the likeliest tokens are drawn; 0: all
    top_p: TopShare = 1.0  # only the likeliest tokens that make up this probability
    min_p: Share = 0.0  # only tokens at least so likely in relation to the likeliest one
    repetition_penalty: Penalty = 1.0  # of text tokens that the answer already has
    penalty_after: NonNegativeInt = 0  # it acts once so many tokens in a row come again; 0: always


LIMITS = ("top_k", "top_p", "min_p")  # of what is drawn


class SamplingOptions(Strict):
    """Settings of `Sampling` that a request or a system gives; None: the default below it."""

    temperature: Temperature | None = None
    top_k: NonNegativeInt | None = None
    top_p: TopShare | None = None
    min_p: Share | None = None
    repetition_penalty: Penalty | None = None
    penalty_after: NonNegativeInt | None = None

    def over(self, defaults: Sampling) -> Sampling:
        """These settings before the defaults.

        Raises ValueError if they limit what is drawn where nothing is drawn.
        """
        settings = self.model_dump(include=set(Sampling.model_fields), exclude_none=True)
        merged: dict[str, Any] = {**defaults.model_dump(), **settings}
        if merged["temperature"] == 0:
            unlimited = Sampling().model_dump(include=set(LIMITS))
            for name in LIMITS:
                if settings.get(name, unlimited[name]) != unlimited[name]:
                    raise ValueError(
                        f"{name}: limits which tokens are drawn, but none are where the "
                        "temperature is 0; set a temperature above 0, too"
                    )
            merged |= unlimited
        return Sampling(**merged)

    @model_validator(mode="after")
    def _limits_apply(self) -> "SamplingOptions":
        if self.temperature == 0:
            self.over(Sampling())
        return self

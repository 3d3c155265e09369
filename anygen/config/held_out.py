"""Rows that a run does not learn from: the section `held_out` of its YAML file."""

from typing import Any

from pydantic import NonNegativeInt, PositiveInt, field_validator, model_validator

from anygen.core.schema import Strict


class HeldOut(Strict):
    """Their losses are logged every so many steps, and choose the best of the saved weights.

    `requests` have no answers: a run asks the model and logs which share of them gets other media
    than before its first step.
    """

    path: list[str] = []  # of JSONL files or patterns; each is a source with a loss of its own
    media: str | None = None  # the folder of their media; by default that of each file
    world: NonNegativeInt = 0  # dialogues that the stage draws: shows what is being forgotten
    requests: list[str] = []  # JSONL files whose rows end with the user's turn; asked with samples
    rows: PositiveInt = 64  # of each file or pattern, at most, chosen at random
    every: PositiveInt = 100  # steps
    patience: PositiveInt | None = None  # losses in a row without a new best one that end the run

    @field_validator("path", "requests", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_rows(self) -> "HeldOut":
        if not (self.path or self.world or self.requests):
            raise ValueError(
                "give a 'path' of files, or with 'world' the number of dialogues to draw, or "
                "'requests'"
            )
        if self.patience and not (self.path or self.world):
            raise ValueError("patience: is for losses; give a 'path' of files, or 'world'")
        return self

"""What a training run learns from: the section `data` of its YAML file."""

from typing import Literal

from pydantic import PositiveFloat, PositiveInt, model_validator

from anygen.core.schema import Strict

Mixing = Literal["size", "sqrt", "equal"]


class DataSource(Strict):
    """One source: files of records, dialogues of the small world, or plain answers of the base LLM.

    `share` is the share of the rows; sources of files without one divide what the others leave, by
    the run's `mixing`.
    """

    path: str | None = None  # of JSONL files or tar archives: one, or a pattern such as clips/*.tar
    world: Literal[True] | None = None  # what the run would draw without `data`
    plain: Literal[True] | None = None  # prompts that the base LLM answers: its style is kept
    share: PositiveFloat | None = None
    limit: PositiveInt | None = None  # of the rows of the files, chosen at random
    media: str | None = None  # the folder of their media; by default that of each file

    @model_validator(mode="after")
    def _check_kind(self) -> "DataSource":
        kinds = [name for name in ("path", "world", "plain") if getattr(self, name) is not None]
        if len(kinds) != 1:
            excess = f", not {' and '.join(kinds)}" if kinds else ""
            raise ValueError(f"a source is one of 'path', 'world: true' and 'plain: true'{excess}")
        if self.path is None and self.limit is not None:
            raise ValueError(f"'limit' is for files; {kinds[0]} has no end")
        if self.path is None and self.media is not None:
            raise ValueError(f"'media' is for files; {kinds[0]} has none")
        if self.path is None and self.share is None:
            raise ValueError(f"{kinds[0]} has no number of rows; give it a 'share'")
        return self


def check_shares(sources: list[DataSource]) -> None:
    """Raises ValueError if sources without a share would get nothing."""
    shares = [source.share for source in sources if source.share is not None]
    if len(shares) < len(sources) and sum(shares) >= 1:
        raise ValueError(
            f"the shares add up to {sum(shares):g}, which leaves nothing for the sources without "
            f"one; give shares below 1 in all, or one to every source"
        )

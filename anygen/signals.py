"""Signal tokens: their ids follow the LLM's vocabulary, one span and one mark per modality."""

from dataclasses import dataclass

from anygen.modality import TABLE, MediaModality


@dataclass(frozen=True)
class Signals:
    """Rows of the signal table, in the order of `modalities`: a span each, then a mark each.

    A span is what the LLM emits for a medium; its first token is the trigger, the only one that
    can be sampled. A mark stands before the features of a medium that the LLM reads.
    """

    vocabulary: int  # size of the LLM's own
    modalities: tuple[MediaModality, ...]

    @property
    def rows(self) -> int:
        return sum(TABLE[m].signal_tokens for m in self.modalities) + len(self.modalities)

    def span(self, modality: MediaModality) -> list[int]:
        """Ids of a whole span."""
        index = self.modalities.index(modality)
        start = sum(TABLE[m].signal_tokens for m in self.modalities[:index])
        first = self.vocabulary + start
        return list(range(first, first + TABLE[modality].signal_tokens))

    def mark(self, modality: MediaModality) -> int:
        last = self.vocabulary + self.rows - len(self.modalities)
        return last + self.modalities.index(modality)

    def trigger(self, modality: MediaModality) -> int:
        return self.span(modality)[0]

    def modality_of(self, token: int) -> MediaModality | None:
        """The modality that a sampled token triggers; None for text."""
        triggers = {self.trigger(modality): modality for modality in self.modalities}
        return triggers.get(token)

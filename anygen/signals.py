"""Signal tokens: their ids follow the LLM's vocabulary, one span and one mark per modality."""

from dataclasses import dataclass

from anygen.modality import MEDIA, TABLE, MediaModality


@dataclass(frozen=True)
class Signals:
    """Rows of the signal table: a span for each of `modalities`, then a mark for each of MEDIA.

    A span is what the LLM emits for a medium; its first token is the trigger, the only one that
    can be sampled. A mark stands before the features of a medium that the LLM reads.
    """

    vocabulary: int  # size of the LLM's own
    modalities: tuple[MediaModality, ...]  # that have a decoder

    @property
    def rows(self) -> int:
        return sum(TABLE[m].signal_tokens for m in self.modalities) + len(MEDIA)

    def span(self, modality: MediaModality) -> list[int]:
        """Ids of a whole span."""
        index = self.modalities.index(modality)
        start = sum(TABLE[m].signal_tokens for m in self.modalities[:index])
        first = self.vocabulary + start
        return list(range(first, first + TABLE[modality].signal_tokens))

    def mark(self, modality: MediaModality) -> int:
        return self.vocabulary + self.rows - len(MEDIA) + MEDIA.index(modality)

    def trigger(self, modality: MediaModality) -> int:
        return self.span(modality)[0]

    def modality_of(self, token: int) -> MediaModality | None:
        """The modality that a sampled token triggers; None for text."""
        triggers = {self.trigger(modality): modality for modality in self.modalities}
        return triggers.get(token)

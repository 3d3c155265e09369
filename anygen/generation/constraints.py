"""What may come next in an answer: its limits, as constrained decoding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from anygen.core.modality import MediaModality
from anygen.generation.options import AnswerOptions

TOKENS_PER_WORD = 4  # reserved for every word that must still come


@dataclass(frozen=True)
class Choice:
    """What may come next; one of `media` alone, with neither text nor end, is forced."""

    text: bool
    end: bool
    media: tuple[MediaModality, ...]
    instead: MediaModality | None = None  # an owed medium, which replaces the end
    ending: tuple[MediaModality, ...] = ()  # cannot be made: the answer ends where one is due
    among: frozenset[int] | None = None  # the tokens of text that may come; None: all

    @property
    def forced(self) -> MediaModality | None:
        """The medium that must come next."""
        alone = len(self.media) == 1 and not self.text and not self.end
        return self.media[0] if alone else None


@dataclass
class Constraints:
    """What an answer contains so far, and what its options still allow and require."""

    options: AnswerOptions
    modalities: tuple[MediaModality, ...]  # that have a decoder
    tokens: int = 0  # of text so far
    generated: Counter[MediaModality] = field(default_factory=Counter)
    text: str = ""  # since the last medium
    stopped: bool = False  # whether a stop text has come

    def add_token(self, text: str) -> None:
        self.tokens += 1
        self.text += text

    def add_medium(self, modality: MediaModality) -> None:
        self.generated[modality] += 1
        self.text = ""

    def choice(self, room: int, costs: dict[MediaModality, int]) -> Choice:
        """`room` is the number of positions left, `costs` how many each medium takes."""
        options, owed_positions = self.options, self.owed_positions(costs)
        reserved = owed_positions if owed_positions <= room else 0
        fitting = [
            m
            for m in self.modalities
            if self.may_make(m) and costs[m] <= room - (0 if self.owed(m) else reserved)
        ]
        if options.begin and not self.generated.total() and not self.tokens:
            return Choice(False, False, tuple(m for m in fitting if m == options.begin))
        owed = [m for m in fitting if self.owed(m)]
        may_speak = self.may_speak and room > reserved
        if owed and (not may_speak or self.must_hurry()):
            return Choice(False, False, (owed[0],))
        if self.stopped or (options.may_speak and not may_speak):  # the text is cut short
            return Choice(False, False, ())
        spaced = (
            fitting if not self.generated.total() or self.words >= options.words_between else []
        )
        if owed:
            return Choice(may_speak, bool(spaced), tuple(spaced), owed[0])
        waits = not options.may_speak and not self.generated.total() and bool(spaced)
        return Choice(may_speak, not waits, tuple(spaced), ending=self.announced(fitting))

    def announced(self, fitting: Sequence[MediaModality]) -> tuple[MediaModality, ...]:
        """Media that text may have led up to, and that cannot be made.

        Where nothing has been written since the last medium, text may take the place of one.
        """
        return tuple(m for m in self.modalities if m not in fitting and self.text.strip())

    @property
    def may_speak(self) -> bool:
        options = self.options
        return options.may_speak and self.tokens < options.max_new_tokens and not self.stopped

    def may_make(self, modality: MediaModality) -> bool:
        """Whether the limits allow one more; owed media have their places among `max_media`."""
        places = self.options.max_media - self.generated.total()
        reserved = 0 if self.owed(modality) else self.all_owed
        return places > reserved and self.generated[modality] < self.options.most(modality)

    def owed(self, modality: MediaModality) -> int:
        return max(0, self.options.exactly.get(modality, 0) - self.generated[modality])

    @property
    def all_owed(self) -> int:
        return sum(map(self.owed, self.options.exactly))

    def owed_positions(self, costs: dict[MediaModality, int]) -> int:
        return sum(self.owed(m) * costs[m] for m in self.options.exactly if self.owed(m))

    def must_hurry(self) -> bool:
        """Whether the tokens that are left only just suffice for the media that must still come."""
        needed = (self.all_owed - 1) * self.options.words_between * TOKENS_PER_WORD
        return self.options.max_new_tokens - self.tokens <= needed and self.words >= (
            self.options.words_between if self.generated.total() else 0
        )

    @property
    def words(self) -> int:
        return len(self.text.split())

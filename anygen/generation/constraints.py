"""What an answer may hold next: limits as constrained decoding, not by hope."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from anygen.core.modality import MediaModality
from anygen.generation.options import AnswerOptions

TOKENS_A_WORD = 4  # so much room is kept for every word that must still be said


@dataclass(frozen=True)
class Choice:
    """What may come next; `media` alone, with neither text nor end, is forced."""

    text: bool
    end: bool
    media: tuple[MediaModality, ...]
    instead: MediaModality | None = None  # what is owed comes where the answer would end

    @property
    def forced(self) -> MediaModality | None:
        """The only thing that may come next."""
        alone = len(self.media) == 1 and not self.text and not self.end
        return self.media[0] if alone else None


@dataclass
class Constraints:
    """Counts what an answer holds."""

    options: AnswerOptions
    modalities: tuple[MediaModality, ...]  # that can be made
    tokens: int = 0  # of text so far
    made: Counter[MediaModality] = field(default_factory=Counter)
    said: str = ""  # since the last medium
    stopped: bool = False  # whether a text that stops was said

    def add_token(self, text: str) -> None:
        self.tokens += 1
        self.said += text

    def add_medium(self, modality: MediaModality) -> None:
        self.made[modality] += 1
        self.said = ""

    def choice(self, room: int, costs: dict[MediaModality, int]) -> Choice:
        """`room` is how many positions are left, `costs` what a medium takes of them."""
        options, owing = self.options, self.owed_positions(costs)
        kept = owing if owing <= room else 0
        fitting = [
            m
            for m in self.modalities
            if self.may_make(m) and costs[m] <= room - (0 if self.owed(m) else kept)
        ]
        if options.begin and not self.made.total() and not self.tokens:
            return Choice(False, False, tuple(m for m in fitting if m == options.begin))
        owed = [m for m in fitting if self.owed(m)]
        may_speak = self.may_speak and room > kept
        if owed and (not may_speak or self.must_hurry()):
            return Choice(False, False, (owed[0],))
        if self.stopped or (options.may_speak and not may_speak):  # the text was cut short
            return Choice(False, False, ())
        spaced = fitting if not self.made.total() or self.words >= options.words_between else []
        if owed:
            return Choice(may_speak, bool(spaced), tuple(spaced), owed[0])
        waits = not options.may_speak and not self.made.total() and bool(spaced)
        return Choice(may_speak, not waits, tuple(spaced))

    @property
    def may_speak(self) -> bool:
        options = self.options
        return options.may_speak and self.tokens < options.max_new_tokens and not self.stopped

    def may_make(self, modality: MediaModality) -> bool:
        """Whether the limits allow it; what is owed has its place among the most media."""
        places = self.options.max_media - self.made.total()
        taken = 0 if self.owed(modality) else self.all_owed
        return places > taken and self.made[modality] < self.options.most(modality)

    def owed(self, modality: MediaModality) -> int:
        return max(0, self.options.exactly.get(modality, 0) - self.made[modality])

    @property
    def all_owed(self) -> int:
        return sum(map(self.owed, self.options.exactly))

    def owed_positions(self, costs: dict[MediaModality, int]) -> int:
        return sum(self.owed(m) * costs[m] for m in self.options.exactly if self.owed(m))

    def must_hurry(self) -> bool:
        """Whether the text that is left is just enough for the media that must still come."""
        needed = (self.all_owed - 1) * self.options.words_between * TOKENS_A_WORD
        return self.options.max_new_tokens - self.tokens <= needed and self.words >= (
            self.options.words_between if self.made.total() else 0
        )

    @property
    def words(self) -> int:
        return len(self.said.split())

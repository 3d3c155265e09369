"""What a chat remembers: its turns, and what is attached to the next question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from anygen.core.media import Media, Message, Part, media_of
from anygen.generation.answer import MediaInfo
from anygen.generation.events import FinishReason, Forgotten
from anygen.generation.request import Request, derive_seed


@dataclass(frozen=True)
class Turn:
    """A question as it was asked, and what came of it."""

    request: Request
    answer: Message
    finish: FinishReason | None  # None: it is still spoken
    made: tuple[MediaInfo, ...] = ()  # of each medium in the answer

    @property
    def question(self) -> Message:
        return self.request.messages[-1]


@dataclass
class Conversation:
    """Media stay in it, the user's and the model's; they are counted from 1."""

    seed: int = 0
    asked: int = 0  # questions since the seed was set: each has a seed of its own
    given: tuple[Message, ...] = ()  # before the first turn: a system prompt, a chat of old
    turns: list[Turn] = field(default_factory=list)
    attached: list[Media] = field(default_factory=list)  # to the next question
    forgotten: Forgotten | None = None  # what the model reads no longer, as it was last told

    def messages(self) -> list[Message]:
        """All that was said, in order."""
        said = [message for turn in self.turns for message in (turn.question, turn.answer)]
        return [*self.given, *said]

    def media(self) -> list[Media]:
        """All media in order; the last are those of the next question."""
        return [*media_of(self.messages()), *self.attached]

    def medium(self, number: int) -> Media:
        """Raises ValueError for a number that no medium has."""
        media = self.media()
        if not media:
            raise ValueError("there is no picture, sound or video yet")
        if not 1 <= number <= len(media):
            raise ValueError(f"there is no medium {number}; they are numbered 1 to {len(media)}")
        return media[number - 1]

    def next_seed(self) -> int:
        """The seed of the next question; every call is another one."""
        self.asked += 1
        return derive_seed(self.seed, self.asked - 1)

    def question(self, parts: Sequence[Part]) -> Message:
        """What is attached stands before the text."""
        return Message("user", (*self.attached, *parts))

    def undo(self) -> Turn:
        """Forget the last turn. Raises ValueError where there is none."""
        if not self.turns:
            raise ValueError("there is no question to go back to")
        return self.turns.pop()

    def reset(self) -> None:
        """Forget all but the system prompt; seeds are numbered anew."""
        self.given = self.system
        self.turns.clear()
        self.attached.clear()
        self.asked, self.forgotten = 0, None

    @property
    def system(self) -> tuple[Message, ...]:
        """The system prompt, if there is one of its own."""
        return tuple(message for message in self.given if message.role == "system")

    def require_beginning(self, what: str) -> None:
        """Raises ValueError where something was said: answers depend on `what`."""
        if self.turns or self.given != self.system:
            raise ValueError(f"{what} holds for a whole conversation; /reset begins a new one")

"""What a conversation consists of: its turns, and media attached to the next question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from anygen.core.media import Media, Message, Part, media_of
from anygen.generation.answer import MediaInfo
from anygen.generation.events import FinishReason, Forgotten
from anygen.generation.request import Request, derive_seed


@dataclass(frozen=True)
class Turn:
    """A question with everything that its answer depends on, and the answer."""

    request: Request
    answer: Message
    finish: FinishReason | None  # None: the answer is still being generated
    media_info: tuple[MediaInfo, ...] = ()  # one for each medium of the answer

    @property
    def question(self) -> Message:
        return self.request.messages[-1]


@dataclass
class Conversation:
    """Media of the user and of the model are numbered together, from 1, in reading order."""

    seed: int = 0
    questions_asked: int = 0  # since the seed was set: each question derives its seed from this
    preamble: tuple[Message, ...] = ()  # before the first turn: a system prompt, an older chat
    turns: list[Turn] = field(default_factory=list)
    attached: list[Media] = field(default_factory=list)  # to the next question
    forgotten: Forgotten | None = None  # the last report of what no longer fits into the context

    def messages(self) -> list[Message]:
        """All messages, in order."""
        turns = [message for turn in self.turns for message in (turn.question, turn.answer)]
        return [*self.preamble, *turns]

    def media(self) -> list[Media]:
        """All media in order, those attached to the next question last."""
        return [*media_of(self.messages()), *self.attached]

    def medium(self, number: int) -> Media:
        """Raises ValueError if no medium has this number."""
        media = self.media()
        if not media:
            raise ValueError("there is no picture, sound or video yet")
        if not 1 <= number <= len(media):
            raise ValueError(f"there is no medium {number}; they are numbered 1 to {len(media)}")
        return media[number - 1]

    def next_seed(self) -> int:
        """The seed of the next question; every call returns another one."""
        self.questions_asked += 1
        return derive_seed(self.seed, self.questions_asked - 1)

    def question(self, parts: Sequence[Part]) -> Message:
        """A message of the user: attached media, then these parts."""
        return Message("user", (*self.attached, *parts))

    def undo(self) -> Turn:
        """Removes and returns the last turn. Raises ValueError if there is none."""
        if not self.turns:
            raise ValueError("there is no question to go back to")
        return self.turns.pop()

    def reset(self) -> None:
        """Forgets everything but the system prompt; seeds are numbered from the start again."""
        self.preamble = self.system
        self.turns.clear()
        self.attached.clear()
        self.questions_asked, self.forgotten = 0, None

    @property
    def system(self) -> tuple[Message, ...]:
        """The system prompt of this conversation, if it has one."""
        return tuple(message for message in self.preamble if message.role == "system")

    def require_beginning(self, subject: str) -> None:
        """Raises ValueError if the conversation has begun: its answers depend on `subject`."""
        if self.turns or self.preamble != self.system:
            raise ValueError(f"{subject} applies to a whole conversation; /reset starts a new one")

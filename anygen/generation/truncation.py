"""What of a long conversation the LLM still reads.

The system prompt and the last message always stay. Where the rest takes more than three quarters
of what the LLM can read, the oldest turns (a question, its answer and their media) are forgotten
until half is free: so that this is rare, and a conversation is seldom read again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from anygen.core.media import Message, media_of
from anygen.generation.events import Forgotten

FRAME = 8  # positions around a message, at most: its role and its end
FULL, EMPTIED = 0.75, 0.5  # of the context; the rest is for the answer


def fitting(
    messages: Sequence[Message], length_of: Callable[[Message], int], context: int
) -> tuple[list[Message], Forgotten | None]:
    """The messages that fit into a context of so many positions, and what was left out."""
    system = [message for message in messages[:1] if message.role == "system"]
    said = messages[len(system) :]
    lengths = [length_of(message) + FRAME for message in said]
    first = first_kept(said, lengths, context - sum(map(length_of, system)) - FRAME)
    if not first:
        return list(messages), None
    forgotten = Forgotten(first, len(media_of(said[:first])))
    return [*system, *said[first:]], forgotten


def shortest(messages: Sequence[Message]) -> list[Message]:
    """What is read in any case."""
    system = [message for message in messages[:-1][:1] if message.role == "system"]
    return [*system, messages[-1]]


def first_kept(said: Sequence[Message], lengths: Sequence[int], room: int) -> int:
    """The index of the first message that is kept: of a question, or the last of all.

    It is found turn by turn, as the conversation went, so that it stays where it is meanwhile.
    """
    first, total = 0, 0
    for index, length in enumerate(lengths):
        total += length
        if (said[index].role == "assistant" and index < len(said) - 1) or total <= FULL * room:
            continue
        while total > EMPTIED * room and first < index:
            total -= lengths[first]
            first += 1
            while first < index and said[first].role != "user":
                total -= lengths[first]
                first += 1
    return first

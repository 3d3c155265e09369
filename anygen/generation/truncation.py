"""Which messages of a long conversation the LLM still reads.

The system prompt and the last message always stay. Where the others take more than three quarters
of the context, the oldest turns (a question, its answer and their media) are dropped until half of
it is free: truncation is then rare, and a conversation is seldom read anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from anygen.core.media import Message, media_of
from anygen.generation.events import Forgotten

FRAME = 8  # the most positions that the template puts around a message
FULL, EMPTIED = 0.75, 0.5  # shares of the context; the rest is for the answer


def truncate(
    messages: Sequence[Message], lengths: Sequence[int], context: int
) -> tuple[list[Message], Forgotten | None]:
    """The messages that fit into `context` positions, and what was dropped.

    `lengths` are the positions of each message, without the template around it.
    """
    system = int(messages[0].role == "system")
    framed = [length + FRAME for length in lengths]
    dialogue = messages[system:]
    room = context - sum(lengths[:system]) - FRAME
    first = first_kept(dialogue, framed[system:], room)
    if not first:
        return list(messages), None
    forgotten = Forgotten(first, len(media_of(dialogue[:first])))
    return [*messages[:system], *dialogue[first:]], forgotten


def shortest(messages: Sequence[Message]) -> list[Message]:
    """The messages that are read in any case: the system prompt and the last one."""
    system = [message for message in messages[:-1][:1] if message.role == "system"]
    return [*system, messages[-1]]


def first_kept(dialogue: Sequence[Message], lengths: Sequence[int], room: int) -> int:
    """The index of the first message that is kept: of a question, or the last of all.

    The dialogue is replayed turn by turn, so that the result stays where it is between two
    truncations.
    """
    first, total = 0, 0
    for index, length in enumerate(lengths):
        total += length
        answered = dialogue[index].role == "assistant" and index < len(dialogue) - 1
        if answered or total <= FULL * room:
            continue
        while total > EMPTIED * room and first < index:
            total -= lengths[first]
            first += 1
            while first < index and dialogue[first].role != "user":
                total -= lengths[first]
                first += 1
    return first

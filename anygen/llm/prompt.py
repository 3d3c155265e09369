"""Messages -> prompt: token ids and media in reading order. Training and chat share it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anygen.core.media import Media, Message, Part, modality_of
from anygen.core.modality import MediaModality
from anygen.llm.chat_template import PLACE, apply_template, end_of_turn, ids_of

PLACES = re.compile(PLACE.format("([0-9]+)"))


@dataclass(frozen=True)
class Tokens:
    ids: tuple[int, ...]
    learned: bool = False  # whether an assistant said them: training learns to


@dataclass(frozen=True)
class Span:
    """The signal tokens of a medium that the assistant made."""

    modality: MediaModality
    medium: int  # index among all media of the prompt


@dataclass(frozen=True, eq=False)
class Features:
    """A medium as the LLM reads it: the encoder's features, and the marks of its modality."""

    modality: MediaModality
    media: Media
    asked: str = ""  # all text of the message that it came with, unless an assistant made it


Piece = Tokens | Span | Features


def build_prompt(
    messages: Sequence[Message], tokenizer: Any, *, reply: bool, spans: bool = True
) -> list[Piece]:
    """Pieces in reading order; with `reply`, up to where the assistant is to speak.

    Without `spans` the media that the assistant made stand there as if they had been given to it.
    Text of users is tokenised as plain text: it can never become a role marker.
    """
    parts = [(message, part) for message in messages for part in message.parts]
    around = PLACES.split(apply_template(messages, tokenizer, reply))
    texts, parts = around[::2], [parts[int(number)] for number in around[1::2]]
    move_spaces(texts, parts)
    end = end_of_turn(tokenizer) if any(m.role == "assistant" for m, _ in parts) else ""
    pieces: list[Piece] = [*template_tokens(texts[0], tokenizer)]
    media = 0
    for (message, part), text in zip(parts, texts[1:], strict=True):
        said = message.role == "assistant"
        if isinstance(part, str):
            pieces.append(Tokens(plain_ids(part, tokenizer), learned=said))
        else:
            pieces += [Span(modality_of(part), media)] if said and spans else []
            pieces.append(Features(modality_of(part), part, "" if said else texts_of(message)))
            media += 1
        pieces += template_tokens(text, tokenizer, end if said else "")
    return [piece for piece in pieces if not isinstance(piece, Tokens) or piece.ids]


def texts_of(message: Message) -> str:
    return " ".join(part for part in message.parts if isinstance(part, str))


def move_spaces(texts: list[str], parts: list[tuple[Message, Part]]) -> None:
    """A space before a part of text is spelt with its first word, as an LLM would say it."""
    for index, (message, part) in enumerate(parts):
        if isinstance(part, str) and texts[index].endswith(" "):
            texts[index] = texts[index][:-1]
            parts[index] = message, part if part[:1].isspace() else f" {part}"


def template_tokens(text: str, tokenizer: Any, end: str = "") -> list[Tokens]:
    """Template text; where a turn of the assistant ends there, `end` is learned."""
    if end and text.startswith(end):
        learned = Tokens(ids_of(end, tokenizer), learned=True)
        return [learned, Tokens(ids_of(text.removeprefix(end), tokenizer))]
    return [Tokens(ids_of(text, tokenizer))]


def plain_ids(text: str, tokenizer: Any) -> tuple[int, ...]:
    return ids_of(text, tokenizer, split_special_tokens=True)

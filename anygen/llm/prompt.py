"""Messages -> prompt: token ids and media in reading order. Training and chat share it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from anygen.core.media import Media, Message, Part, modality_of
from anygen.core.modality import MediaModality
from anygen.llm.chat_template import PLACE, apply_template, end_of_turn, ids_of

PLACES = re.compile(PLACE.format("([0-9]+)"))


@dataclass(frozen=True)
class Tokens:
    ids: tuple[int, ...]
    learned: bool = False  # whether they are an assistant's words, which training learns
    message: int | None = field(default=None, compare=False)  # its index; None: template


@dataclass(frozen=True)
class Span:
    """The signal tokens of a medium that the assistant generated."""

    modality: MediaModality
    medium: int  # index among all media of the prompt


@dataclass(frozen=True, eq=False)
class Features:
    """A medium as the LLM reads it: the encoder's features, and the marks of its modality."""

    modality: MediaModality
    media: Media
    question: str = ""  # all text of its message, if that is a user's


Piece = Tokens | Span | Features


def build_prompt(
    messages: Sequence[Message], tokenizer: Any, *, reply: bool, spans: bool = True
) -> list[Piece]:
    """Pieces in reading order; with `reply`, an answer of the assistant comes next.

    Without `spans`, media that the assistant generated look like media of a user. Text of users is
    tokenised as plain text: it can never become a role marker.
    """
    parts = [(index, part) for index, message in enumerate(messages) for part in message.parts]
    around = PLACES.split(apply_template(messages, tokenizer, reply))
    texts, parts = around[::2], [parts[int(number)] for number in around[1::2]]
    move_spaces(texts, parts)
    by_assistant = [message.role == "assistant" for message in messages]
    end = end_of_turn(tokenizer) if any(by_assistant[index] for index, _ in parts) else ""
    pieces: list[Piece] = [*template_tokens(texts[0], tokenizer)]
    media = 0
    for (index, part), text in zip(parts, texts[1:], strict=True):
        learned = by_assistant[index]
        if isinstance(part, str):
            pieces.append(Tokens(plain_ids(part, tokenizer), learned, index))
        else:
            modality = modality_of(part)
            pieces += [Span(modality, media)] if learned and spans else []
            question = "" if learned else texts_of(messages[index])
            pieces.append(Features(modality, part, question))
            media += 1
        pieces += template_tokens(text, tokenizer, end if learned else "")
    return [piece for piece in pieces if not isinstance(piece, Tokens) or piece.ids]


def texts_of(message: Message) -> str:
    return " ".join(part for part in message.parts if isinstance(part, str))


def move_spaces(texts: list[str], parts: list[tuple[int, Part]]) -> None:
    """Moves a space before a part of text into the part: tokenizers join it with the first word."""
    for index, (message, part) in enumerate(parts):
        if isinstance(part, str) and texts[index].endswith(" "):
            texts[index] = texts[index][:-1]
            parts[index] = message, part if part[:1].isspace() else f" {part}"


def template_tokens(text: str, tokenizer: Any, end: str = "") -> list[Tokens]:
    """The tokens of a template's text; `end`, at its beginning, is learned: it ends an answer."""
    if end and text.startswith(end):
        learned = Tokens(ids_of(end, tokenizer), learned=True)
        return [learned, Tokens(ids_of(text.removeprefix(end), tokenizer))]
    return [Tokens(ids_of(text, tokenizer))]


def plain_ids(text: str, tokenizer: Any) -> tuple[int, ...]:
    return ids_of(text, tokenizer, split_special_tokens=True)

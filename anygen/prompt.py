"""Messages -> prompt: token ids and media in reading order. Training and chat share it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anygen.media import Media, Message, modality_of
from anygen.modality import MediaModality

# Stands for a part while the chat template is applied; private-use characters are not in its text.
PLACE = "\ue000{}\ue001"
PLACES = re.compile("\ue000([0-9]+)\ue001")


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


Piece = Tokens | Span | Features


def build_prompt(
    messages: Sequence[Message], tokenizer: Any, *, reply: bool, spans: bool = True
) -> list[Piece]:
    """Pieces in reading order; with `reply`, up to where the assistant is to speak.

    Without `spans` the media that the assistant made stand there as if they had been given to it.
    Text of users is tokenised as plain text: it can never become a role marker.
    """
    parts = [(message.role, part) for message in messages for part in message.parts]
    template = apply_template(messages, tokenizer, reply)
    pieces: list[Piece] = []
    said = False  # whether the assistant spoke just now, so that its end of turn is learned
    media = 0
    for index, text in enumerate(PLACES.split(template)):
        if index % 2 == 0:
            pieces += template_tokens(text, tokenizer, said)
            continue
        role, part = parts[int(text)]
        said = role == "assistant"
        if isinstance(part, str):
            pieces.append(Tokens(plain_ids(part, tokenizer), learned=said))
            continue
        pieces += [Span(modality_of(part), media)] if said and spans else []
        pieces.append(Features(modality_of(part), part))
        media += 1
    return [piece for piece in pieces if not isinstance(piece, Tokens) or piece.ids]


def apply_template(messages: Sequence[Message], tokenizer: Any, reply: bool) -> str:
    """The tokenizer's own chat template with a place for every part."""
    turns, count = [], 0
    for message in messages:
        places = [PLACE.format(count + index) for index in range(len(message.parts))]
        turns.append({"role": message.role, "content": "".join(places)})
        count += len(places)
    return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=reply)


def template_tokens(text: str, tokenizer: Any, said: bool) -> list[Tokens]:
    """Template text; after an assistant's part its first token, the end of turn, is learned."""
    ids = tuple(tokenizer(text, add_special_tokens=False).input_ids)
    if said and ids and ids[0] == tokenizer.eos_token_id:
        return [Tokens(ids[:1], learned=True), Tokens(ids[1:])]
    return [Tokens(ids)]


def plain_ids(text: str, tokenizer: Any) -> tuple[int, ...]:
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
    return tuple(ids)

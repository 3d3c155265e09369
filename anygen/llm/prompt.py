"""Messages -> prompt: token ids and media in reading order. Training and chat share it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from anygen.core.media import Media, Message, Part, modality_of
from anygen.core.modality import MediaModality
from anygen.llm.chat_template import PLACE, apply_template, end_of_turn, strips_beside_media
from anygen.llm.tokenization import begins_after, ids_of

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
    learned: bool = False  # whether it belongs to an answer, behind a span
    medium: int = 0  # index among all media of the prompt


Piece = Tokens | Span | Features


@dataclass(frozen=True)
class Text:
    """Text of a prompt before it is tokenised: of the template, or a part of a message."""

    text: str
    message: int | None = None  # index; None: template
    learned: bool = False


def build_prompt(
    messages: Sequence[Message], tokenizer: Any, *, reply: bool, spans: bool = True
) -> list[Piece]:
    """Pieces in reading order; with `reply`, an answer of the assistant comes next.

    Without `spans`, media that the assistant generated look like media of a user. In the text of
    messages special tokens are plain text, so none of them can begin another turn. Tokens that a
    tokenizer adds and does not call special, such as <think>, are tokens there, too.
    """
    items = [*lay_out(messages, tokenizer, reply, spans)]
    if strips_beside_media(tokenizer):
        strip_beside_media(items)
    pieces: list[Piece] = []
    for item in items:
        if isinstance(item, Text):
            pieces += tokenised(item, pieces, tokenizer)
        else:
            pieces.append(item)
    return pieces


def lay_out(
    messages: Sequence[Message], tokenizer: Any, reply: bool, spans: bool
) -> Iterator[Text | Span | Features]:
    """Text of the template and the parts of messages in reading order."""
    parts = [(index, part) for index, message in enumerate(messages) for part in message.parts]
    around = PLACES.split(apply_template(messages, tokenizer, reply))
    texts, parts = around[::2], [parts[int(number)] for number in around[1::2]]
    by_assistant = [message.role == "assistant" for message in messages]
    move_spaces(texts, parts, by_assistant)
    end = end_of_turn(tokenizer) if any(by_assistant[index] for index, _ in parts) else ""
    yield Text(texts[0])
    media = 0
    for (index, part), text in zip(parts, texts[1:], strict=True):
        learned = by_assistant[index]
        if isinstance(part, str):
            yield Text(part, index, learned)
        else:
            modality = modality_of(part)
            yield from [Span(modality, media)] if learned and spans else []
            question = "" if learned else texts_of(messages[index])
            yield Features(modality, part, question, learned and spans, media)
            media += 1
        yield from template_texts(text, end if learned else "")


def template_texts(text: str, end: str) -> Iterator[Text]:
    """Text of the template; `end`, at its beginning, is learned: it ends an answer."""
    if end and text.startswith(end):
        yield Text(end, learned=True)
        text = text.removeprefix(end)
    yield Text(text)


def texts_of(message: Message) -> str:
    return " ".join(part for part in message.parts if isinstance(part, str))


def move_spaces(
    texts: list[str], parts: list[tuple[int, Part]], by_assistant: Sequence[bool]
) -> None:
    """Moves a space before a part of text into the part: tokenizers join it with the first word.

    An assistant begins where the prompt ends, without that space: its text may have one of its own,
    and its media have none.
    """
    for place, (message, part) in enumerate(parts):
        if not texts[place].endswith(" ") or not (isinstance(part, str) or by_assistant[message]):
            continue
        texts[place] = texts[place][:-1]
        if isinstance(part, str) and not (by_assistant[message] and part[:1].isspace()):
            parts[place] = message, f" {part}"


def strip_beside_media(items: list[Text | Span | Features]) -> None:
    items[:] = [item for item in items if not isinstance(item, Text) or item.text]
    for index, item in enumerate(items):
        if isinstance(item, Text):
            text = item.text
            if index and not isinstance(items[index - 1], Text):
                text = text.lstrip()
            if index + 1 < len(items) and not isinstance(items[index + 1], Text):
                text = text.rstrip()
            items[index] = replace(item, text=text)


def tokenised(item: Text, before: Sequence[Piece], tokenizer: Any) -> list[Tokens]:
    """As the beginning of a text where the prompt or a medium precedes it, else as its middle.

    That is how NExT-GPT, PandaGPT, DreamLLM and LLaVA tokenise: one text up to a medium, another
    after it, and the first token of a prompt apart from what follows.
    """
    text, first = item.text, tokenizer.bos_token
    if not text:
        return []
    found: list[Tokens] = []
    if not before and first and text.startswith(first):
        before = found = [Tokens((tokenizer.bos_token_id,))]
        text = text.removeprefix(first)
    last = before[-1] if before else None
    previous = last.ids[-1] if isinstance(last, Tokens) else tokenizer.bos_token_id
    plain = {"split_special_tokens": True} if item.message is not None else {}
    ids = ids_of(text, tokenizer, begins=begins_after(previous, tokenizer), **plain)
    return [*found, Tokens(ids, item.learned, item.message)] if ids else found


def plain_ids(text: str, tokenizer: Any) -> tuple[int, ...]:
    """Text in the middle of another, in which special tokens are text."""
    return ids_of(text, tokenizer, split_special_tokens=True)

"""Checks a request once, before anything is computed, and prepares it for the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from anygen.core.media import Message, media_of, modality_of
from anygen.generation.choices import ids_of_choices
from anygen.generation.events import Forgotten
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.generation.truncation import shortest, truncate
from anygen.llm.kv_cache import Key
from anygen.llm.prompt import Features, Piece, Span, Tokens, build_prompt
from anygen.model.multimodal import MultimodalModel

# Contexts: what precedes so much of a conversation, by the fewest positions that it can take, is
# dropped before it is tokenized. It is never read, but where the oldest read message lies depends
# on what precedes it, see `truncate`.
REPLAYED = 8


@dataclass(frozen=True, eq=False)
class Prompt:
    """A conversation as the LLM reads it."""

    pieces: Sequence[tuple[Piece, Sequence[Key]]]  # with the keys of their positions
    keys: Sequence[Key]  # of the whole prompt, one per position


@dataclass(frozen=True, eq=False)
class PreparedRequest:
    """A valid request, and its prompt.

    With a router the untouched base LLM reads the conversation first, without the model's system
    prompt: a small one answers best behind the words that its own template was trained with.
    """

    request: Request
    prompt: Prompt
    base_prompt: Prompt  # without a router the same
    forgotten: Forgotten | None  # what of the conversation no longer fits
    choices: Sequence[Sequence[int]] = ()  # the tokens of `options.choices`
    scores_only: bool = False  # whether the choices are scored, and none is the answer


def prepare(model: MultimodalModel, request: Request) -> PreparedRequest:
    """Raises ValueError for a request that cannot be met; the sentence names the field."""
    check_options(model, request)
    messages = model.with_system_prompt(request.messages)
    added = len(messages) - len(request.messages)
    check_text(model, messages, request.options)
    least = [least_length(model, message) for message in messages]
    recent, unread = truncate(messages, least, REPLAYED * model.llm.context)
    pieces = pieces_of(model, recent, request.options)
    kept, dropped = truncate(recent, lengths_of(model, recent, pieces), model.llm.context)
    if dropped:
        pieces = pieces_of(model, kept, request.options)
    prompt = base_prompt = keyed(model, pieces)
    if model.llm.router and added:
        base_prompt = keyed(model, pieces_of(model, kept[added:], request.options))
    choices = ids_of_choices(model.llm, kept, request.options.choices)
    read = max(len(prompt.keys), len(base_prompt.keys))
    if read >= model.llm.context:
        raise ValueError(too_long(model, messages, request.options))
    check_room(model, request.options, len(prompt.keys))
    check_choices(request.options, choices, model.llm.context - read)
    return PreparedRequest(request, prompt, base_prompt, sum_of(unread, dropped), choices)


def prepare_scores(
    model: MultimodalModel, messages: Sequence[Message], choices: Sequence[str]
) -> PreparedRequest:
    """For `AnyGen.score_choices`. Raises ValueError as `prepare` does, and without choices."""
    if not choices:
        raise ValueError("choices: there is none to score")
    options = AnswerOptions(choices=tuple(choices))
    return replace(prepare(model, Request(messages, 0, options)), scores_only=True)


def keyed(model: MultimodalModel, pieces: Sequence[Piece]) -> Prompt:
    keys = [model.cache_keys(piece) for piece in pieces]
    return Prompt(list(zip(pieces, keys)), [*chain.from_iterable(keys)])


def check_options(model: MultimodalModel, request: Request) -> None:
    """Raises ValueError if the model lacks something that the request needs."""
    options = request.options
    if not request.messages:
        raise ValueError("messages: there is none to answer")
    if request.messages[-1].is_empty:
        raise ValueError("messages: the last one is empty; write a text or add a medium")
    model.check_encodable("messages", map(modality_of, media_of(request.messages)))
    for field, modalities in (
        ("modalities", [] if options.may_speak else options.modalities or ()),
        ("begin", [options.begin] if options.begin else []),
        ("exactly", [m for m, count in options.exactly.items() if count]),
        ("media", options.media),
        ("ref", [modality_of(request.edited)] if request.edited else []),
    ):
        for modality in modalities:
            if modality not in model.decoders:
                raise ValueError(f"{field}: this model makes no {modality}")
    if model.llm.signals.droppable and options.feedback != "wait":
        raise ValueError(
            f"feedback: this model forgets that it asked for a medium, so it must see it; "
            f"{options.feedback!r} is for other models, write wait"
        )
    options.over(model.llm.sampling)
    for modality, sample in options.media.items():
        model.decoders[modality].check(sample)


def check_room(model: MultimodalModel, options: AnswerOptions, prompt: int) -> None:
    """Raises ValueError if media that the answer must contain do not fit after the prompt."""
    costs = model.media_costs
    counts = dict(options.exactly)
    if options.begin and not counts.get(options.begin):
        counts[options.begin] = 1
    needed = sum(count * costs[modality] for modality, count in counts.items() if count)
    if not needed and not options.may_speak:
        needed = min(costs[m] for m in model.llm.signals.modalities if options.most(m))
    room = model.llm.context - prompt
    if needed > room:
        raise ValueError(
            f"messages: the media that the answer must hold take {needed} positions, and of the "
            f"{model.llm.context} that the model can read the prompt leaves {room}; ask for fewer "
            "or shorten it"
        )


def check_choices(options: AnswerOptions, choices: Sequence[Sequence[int]], room: int) -> None:
    """Raises ValueError for a choice that is no text of the LLM, or does not fit."""
    limit = min(room, options.max_new_tokens)
    for text, ids in zip(options.choices, choices):
        if not ids:
            raise ValueError(f"choices: {text!r} has no token behind this chat template")
        if len(ids) > limit:
            raise ValueError(
                f"choices: {text[:40]!r} has {len(ids)} tokens, and an answer may have {limit}"
            )


def pieces_of(
    model: MultimodalModel, messages: Sequence[Message], options: AnswerOptions
) -> list[Piece]:
    """The prompt of a conversation that the assistant is to answer."""
    spans = not model.llm.signals.droppable
    pieces = build_prompt(messages, model.llm.tokenizer, reply=True, spans=spans)
    if options.feedback == "off":  # the LLM reads only the spans of its own media
        generated = {piece.medium for piece in pieces if isinstance(piece, Span)}
        return without_features(pieces, generated)
    return pieces


def without_features(pieces: Sequence[Piece], media: set[int]) -> list[Piece]:
    """Pieces without the features of the media that have these numbers."""
    kept, number = [], -1
    for piece in pieces:
        number += isinstance(piece, Features)
        if not (isinstance(piece, Features) and number in media):
            kept.append(piece)
    return kept


def lengths_of(
    model: MultimodalModel, messages: Sequence[Message], pieces: Sequence[Piece]
) -> list[int]:
    """The most positions that each message takes, without the template around it."""
    costs = model.media_costs
    lengths = [sum(costs[modality_of(m)] for m in media_of([message])) for message in messages]
    for piece in pieces:
        if isinstance(piece, Tokens) and piece.message is not None:
            lengths[piece.message] += len(piece.ids)
    return lengths


def least_length(model: MultimodalModel, message: Message) -> int:
    """The fewest tokens that the text of a message can have."""
    return sum(least_tokens(model, part) for part in message.parts if isinstance(part, str))


def least_tokens(model: MultimodalModel, text: str) -> int:
    """The fewest tokens that a text can have: as many as if each was the longest one.

    What a tokenizer's normalization leaves out of a text counts, too.
    """
    return -(-len(text) // model.llm.longest_token)


def check_text(model: MultimodalModel, messages: Sequence[Message], options: AnswerOptions) -> None:
    """Raises ValueError for a text that has too many tokens whatever they are.

    To tokenize it would take time and memory in proportion.
    """
    context = model.llm.context
    length = sum(least_length(model, message) for message in shortest(messages))
    if length > context:
        raise ValueError(
            f"messages: the last one and the system prompt have at least {length} tokens, and the "
            f"model can read {context}; shorten them"
        )
    limit = min(context, options.max_new_tokens)
    for text in options.choices:
        length = least_tokens(model, text)
        if length > limit:
            raise ValueError(
                f"choices: {text[:40]!r} has at least {length} tokens, and an answer may have "
                f"{limit}"
            )


def sum_of(*dropped: Forgotten | None) -> Forgotten | None:
    found = [each for each in dropped if each]
    if not found:
        return None
    return Forgotten(sum(each.messages for each in found), sum(each.media for each in found))


def too_long(model: MultimodalModel, messages: Sequence[Message], options: AnswerOptions) -> str:
    pieces = pieces_of(model, shortest(messages), options)
    length = sum(len(model.cache_keys(piece)) for piece in pieces)
    return (
        f"messages: the last one and the system prompt have {length} tokens, and the "
        f"model can read {model.llm.context}; shorten them"
    )

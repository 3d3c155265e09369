"""One turn of a conversation, from the LLM's side: it reads, speaks, and asks for media.

A turn is a generator that the engine drives. It yields events for whoever listens, and wishes,
which the engine fulfils for many turns at once: `Read` is sent the hidden states, `Pick` the token
that was chosen, `Render` nothing, `Await` the medium, or None where it could not be made.

T positions, K features, S signal tokens, D width of the LLM.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from anygen.core.media import Media, modality_of
from anygen.core.modality import MediaModality
from anygen.generation.constraints import Choice, Constraints
from anygen.generation.detokenizer import Detokenizer
from anygen.generation.events import Done, Event, FinishReason, Forgotten, MediaFailed, MediaStarted
from anygen.generation.request import Request, derive_seed
from anygen.llm.kv_cache import Context, Key
from anygen.llm.prompt import Features, Piece
from decoders.base import Cancelled, CancelledError, SampleOptions, Task

if TYPE_CHECKING:
    from anygen.model.multimodal import AnyGen

AT_ONCE = 256  # positions that are read in one pass, so that others are not kept waiting
SAME_STYLE = 0.8  # strength: the subject changes, colours and composition mostly stay


@dataclass(frozen=True, eq=False)
class Read:
    """Embeddings (T, D) that the context goes on with, and what they are."""

    context: Context
    embeds: Tensor
    keys: Sequence[Key]


@dataclass(frozen=True, eq=False)
class Pick:
    """The likeliest of what may come next."""

    context: Context
    choice: Choice


@dataclass(frozen=True, eq=False)
class Render:
    part: int
    modality: MediaModality
    task: Task


@dataclass(frozen=True)
class Await:
    part: int


Operations = Generator[Event | Read | Pick | Render | Await, Any, None]


@dataclass
class Speaker:
    """The state of one turn."""

    model: AnyGen
    request: Request
    context: Context
    prompt: Sequence[Piece]
    keys: Sequence[Key]  # of the prompt
    cancelled: Cancelled
    started: float = field(default_factory=time.monotonic)
    late: list[int] = field(default_factory=list)  # parts that the context has not read
    first: dict[MediaModality, Media] = field(default_factory=dict)  # for `same_style`

    def __post_init__(self) -> None:
        options, llm = self.request.options, self.model.llm
        self.control = Constraints(options, llm.signals.modalities)
        self.text = Detokenizer(llm.tokenizer, [*llm.stops.texts, *options.stop])

    def turn(self, forgotten: Forgotten | None) -> Operations:
        if forgotten:
            yield forgotten
        cached = min(self.context.shared(self.keys), len(self.keys) - 1)
        self.context.crop(cached)
        try:
            yield from self.read_prompt(cached)
            reason = yield from self.speak()
            yield from self.text.rest()
            for part in range(self.control.made.total()):
                yield Await(part)
        except CancelledError:
            yield from self.text.rest()
            reason = "deadline" if self.is_late() else "cancelled"
        yield Done(reason, len(self.keys), cached, self.control.tokens)

    def read_prompt(self, known: int) -> Operations:
        """All that the context has not read yet, as one; media that it has are not even encoded."""
        embeds, keys = [], self.keys[known:]
        for piece in self.prompt:
            self.stop_if_cancelled()
            length = len(self.model.keys_of(piece))
            if known < length:
                embeds.append(self.model.recall_piece(piece)[known:])
            known = max(0, known - length)
        yield from self.read(torch.cat(embeds), keys)

    def read(self, embeds: Tensor, keys: Sequence[Key]) -> Generator[Any, Any, Tensor]:
        """Hidden states (T, D)."""
        hidden = []
        for start in range(0, len(keys), AT_ONCE):
            self.stop_if_cancelled()
            part = slice(start, start + AT_ONCE)
            hidden.append((yield Read(self.context, embeds[part], keys[part])))
        return torch.cat(hidden)

    def speak(self) -> Generator[Any, Any, FinishReason]:
        """Text and media until the end of the turn; returns why it ended."""
        llm = self.model.llm
        while True:
            self.stop_if_cancelled()
            choice = self.control.choice(self.room, self.model.media_costs)
            if choice.forced:
                yield from self.make(choice.forced)
                continue
            if not choice.text and not choice.media:
                return self.ending(choice)
            token = yield Pick(self.context, choice)
            if token in llm.stops.ids:
                return self.ending(choice)
            modality = llm.signals.modality_of(token)
            if modality:
                yield from self.make(modality)
            else:
                yield from self.say(token)

    def ending(self, choice: Choice) -> FinishReason:
        """Text that was cut short is told from an answer that ends by itself."""
        silenced = self.request.options.may_speak and not choice.text
        return "length" if silenced and not self.text.stopped else "stop"

    def say(self, token: int) -> Operations:
        told = ""
        for delta in self.text.add(token):
            told += delta.text
            yield delta
        self.control.add_token(told)
        self.control.stopped = self.text.stopped
        yield from self.read(self.model.embed_ids([token]), [token])

    def make(self, modality: MediaModality) -> Operations:
        """A whole span in one pass, the medium that it asks for, and what the LLM sees of it."""
        said = self.control.said
        part = self.control.made.total()
        yield from self.text.rest()
        yield from self.see_late_media()
        condition = yield from self.ask_for(modality)
        self.control.add_medium(modality)
        yield MediaStarted(part, modality, self.needs_caption(condition))
        try:
            task = self.task(modality, part, condition, said)
        except ValueError as error:
            yield MediaFailed(part, modality, str(error))
            return
        yield Render(part, modality, task)
        if self.request.options.feedback == "wait":
            yield from self.see(part)
        elif self.request.options.feedback == "late":
            self.late.append(part)
        elif self.request.options.same_style and modality not in self.first:
            yield from self.receive(part)

    def ask_for(self, modality: MediaModality) -> Generator[Any, Any, Tensor]:
        """The decoder's condition, from the hidden states of a span."""
        signals = self.model.llm.signals
        ids, last = signals.span(modality), self.context.last
        hidden_TD = yield from self.read(self.model.embed_ids(ids), ids)
        if signals.droppable:  # whatever comes of it: the text that follows is blind to the span
            self.context.crop(self.context.length - len(ids))
            self.context.last = last
        hidden_SD = signals.conditions(hidden_TD)
        return self.model.condition_of(modality, hidden_SD[None])[0]

    def task(self, modality: MediaModality, part: int, condition: Tensor, said: str) -> Task:
        """What the decoder is told. ValueError where the condition is unusable."""
        request, options = self.request, self.request.options
        if self.needs_caption(condition):
            condition = self.model.encode_prompt(modality, said, request.messages)
        elif not condition.isfinite().all():
            raise ValueError(f"the condition of this {modality} is not finite")
        seed = derive_seed(request.seed, 0 if options.same_seed else part)
        sample = options.media.get(modality)
        edited = request.edited
        if options.edit and edited and modality_of(edited) == modality:
            return make_task(condition, seed, sample, edited, options.edit.strength)
        if options.same_style and modality in self.first:
            return make_task(condition, seed, sample, self.first[modality], SAME_STYLE)
        return make_task(condition, seed, sample)

    def needs_caption(self, condition: Tensor) -> bool:
        return self.request.options.caption_fallback and not bool(condition.isfinite().all())

    def see_late_media(self) -> Operations:
        for part in self.late:
            yield from self.see(part)
        self.late.clear()

    def see(self, part: int) -> Operations:
        """The context goes on with the medium, once it is there."""
        medium = yield from self.receive(part)
        if medium is not None:
            piece = Features(modality_of(medium), medium)
            yield from self.read(self.model.recall_piece(piece), self.model.keys_of(piece))

    def receive(self, part: int) -> Generator[Any, Any, Media | None]:
        """The medium, once it is there; None where it could not be made."""
        medium: Media | None = yield Await(part)
        if medium is not None:
            self.first.setdefault(modality_of(medium), medium)
        return medium

    @property
    def room(self) -> int:
        """Positions that are left; late media have theirs already."""
        taken = sum(self.model.media_costs.values()) if self.late else 0
        return self.model.llm.context - self.context.length - taken * len(self.late)

    def stop_if_cancelled(self) -> None:
        """Raises CancelledError."""
        if self.cancelled() or self.is_late():
            raise CancelledError

    def is_late(self) -> bool:
        deadline = self.request.options.deadline
        return deadline is not None and time.monotonic() - self.started > deadline


def make_task(condition: Tensor, seed: int, options: SampleOptions | None, *start: Any) -> Task:
    return Task(condition, seed, options or SampleOptions(), *start)

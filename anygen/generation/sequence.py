"""One answer as the LLM generates it: it reads the prompt, samples tokens and requests media.

A sequence is a generator that the engine drives. It yields events for the caller, and operations,
which the engine batches over many sequences: it sends hidden states for `Forward`, the token for
`SampleToken`, nothing for `RenderMedia`, and for `WaitForMedia` the medium, or None if rendering
failed.

T positions, S signal tokens, D width of the LLM.
"""

from __future__ import annotations

from collections import abc
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from anygen.core.lru_cache import LRUCache
from anygen.core.media import Media, modality_of
from anygen.core.modality import MediaModality
from anygen.generation.choices import continuing, log_likelihood, log_probabilities
from anygen.generation.constraints import Choice, Constraints
from anygen.generation.detokenizer import Detokenizer
from anygen.generation.events import (
    ChoiceScored,
    Done,
    Event,
    FinishReason,
    MediaFailed,
    MediaStarted,
)
from anygen.generation.request import derive_seed
from anygen.generation.request_checks import PreparedRequest
from anygen.generation.sampling import TokenSampler
from anygen.llm.kv_cache import Adapted, Key, KVCache, KVCachePool
from anygen.llm.prompt import Features, Piece, texts_of
from anygen.llm.router import Router
from anygen.model.multimodal import MultimodalModel
from decoders.base import Cancelled, CancelledError, RenderRequest, SampleOptions

MAX_FORWARD = 256  # positions that are read in one pass, so that other sequences need not wait
SAME_STYLE = 0.8  # strength: the subject changes, colours and composition mostly stay


@dataclass(frozen=True, eq=False)
class Forward:
    """Embeddings (T, D) to append to a KV cache, and the keys of their positions."""

    cache: KVCache
    embeds: Tensor
    keys: abc.Sequence[Key]


@dataclass(frozen=True, eq=False)
class SampleToken:
    """The next token, among those that `choice` allows."""

    cache: KVCache
    choice: Choice


@dataclass(frozen=True, eq=False)
class RenderMedia:
    part: int
    modality: MediaModality
    task: RenderRequest


@dataclass(frozen=True)
class WaitForMedia:
    part: int


Operation = Forward | SampleToken | RenderMedia | WaitForMedia
Operations = Generator[Event | Operation, Any, None]


@dataclass
class Sequence:
    """The state of one answer."""

    model: MultimodalModel
    prepared: PreparedRequest
    kv_caches: KVCachePool
    embeddings: LRUCache[str, Tensor]  # of media, by `MultimodalModel.feature_key`
    cancelled: Cancelled
    clock: Callable[[], float]  # seconds
    adapted: bool = False  # whether the media expert reads and answers: the LLM with LoRA
    late: list[int] = field(default_factory=list)  # parts that the LLM has not read yet
    first: dict[MediaModality, Media] = field(default_factory=dict)  # for `same_style`

    def __post_init__(self) -> None:
        llm, request, options = self.model.llm, self.prepared.request, self.prepared.request.options
        self.constraints = Constraints(options, llm.signals.modalities)
        self.detokenizer = Detokenizer(llm.tokenizer, [*llm.stops.texts, *options.stop])
        sampling = options.over(llm.sampling)
        self.sampler = TokenSampler(llm, sampling, request.seed)
        self.started = self.clock()
        self.prompt = self.prepared.base_prompt
        self.cache = self.kv_caches.acquire(self.prompt.keys)

    def run(self) -> Operations:
        """The whole answer."""
        if self.prepared.forgotten:
            yield self.prepared.forgotten
        cached = 0
        try:
            cached = yield from self.read_prompt()
            reason = yield from self.score() if self.prepared.scores_only else self.decode()
            yield from self.detokenizer.rest()
            for part in range(self.constraints.generated.total()):
                yield WaitForMedia(part)
            if self.cancelled():  # even if every medium came before that was noticed
                raise CancelledError
        except CancelledError:
            yield from self.detokenizer.rest()
            reason = "deadline" if self.is_past_deadline() else "cancelled"
        yield Done(reason, len(self.prompt.keys), cached, self.constraints.tokens)

    def read_prompt(self) -> Generator[Any, Any, int]:
        """The base LLM or the media expert reads the prompt; returns how much of it was cached.

        What the expert reads, the base LLM has read before it, to decide. The base LLM knows no
        triggers, so its answer has no media.
        """
        llm, options = self.model.llm, self.constraints.options
        if llm.router is None:
            return (yield from self.read())
        if not options.forces_media:
            cached = yield from self.read()
            if not self.needs_expert(llm.router):
                self.constraints = Constraints(options, ())
                return cached
        self.kv_caches.release(self.cache)
        self.adapted, self.prompt = True, self.prepared.prompt
        self.cache = self.kv_caches.acquire(self.adapt(self.prompt.keys))
        return (yield from self.read())

    def read(self) -> Generator[Any, Any, int]:
        """Reads what is not cached of the prompt; media in the cache are not even encoded."""
        keys, embeds = self.prompt.keys, []
        length = min(self.cache.common_prefix(self.adapt(keys)), len(keys) - 1)
        self.cache.crop(length)
        cached = length
        for piece, piece_keys in self.prompt.pieces:
            self.check_cancelled()
            if cached < len(piece_keys):
                embeds.append(self.embed(piece)[cached:])
            cached = max(0, cached - len(piece_keys))
        yield from self.forward(torch.cat(embeds), keys[length:])
        return length

    def needs_expert(self, router: Router) -> bool:
        """What the router decides, where there is anything for the expert to read or to make."""
        reads = any(isinstance(piece, Features) for piece, _ in self.prompt.pieces)
        makes = any(map(self.constraints.options.most, self.model.llm.signals.modalities))
        assert self.cache.middle is not None
        return (reads or makes) and bool(router(self.cache.middle) > 0)

    def adapt(self, keys: abc.Sequence[Key]) -> abc.Sequence[Key]:
        """The keys of positions that whoever answers reads."""
        return [Adapted(key) for key in keys] if self.adapted else keys

    def embed(self, piece: Piece) -> Tensor:
        """The embeddings of a piece (T, D); a medium is not encoded twice."""
        if not isinstance(piece, Features):
            return self.model.embed_piece(piece)
        key = self.model.feature_key(piece)
        return self.embeddings.get(key, lambda: self.model.embed_piece(piece))

    def forward(
        self, embeds: Tensor, keys: abc.Sequence[Key], cache: KVCache | None = None
    ) -> Generator[Any, Any, Tensor]:
        """Hidden states (T, D); `cache` is another than that of the answer."""
        hidden = []
        cache = self.cache if cache is None else cache
        keys = self.adapt(keys)
        for start in range(0, len(keys), MAX_FORWARD):
            self.check_cancelled()
            part = slice(start, start + MAX_FORWARD)
            hidden.append((yield Forward(cache, embeds[part], keys[part])))
        return torch.cat(hidden)

    def decode(self) -> Generator[Any, Any, FinishReason]:
        """Text and media until the answer ends; returns why it ended."""
        llm = self.model.llm
        while True:
            self.check_cancelled()
            choice = self.next_choice()
            if choice.forced:
                yield from self.generate_media(choice.forced)
                continue
            if not choice.text and not choice.media:
                return self.finish_reason(choice)
            token = yield SampleToken(self.cache, choice)
            if token in llm.stops.ids:
                return self.finish_reason(choice)
            modality = llm.signals.modality_of(token)
            if modality in choice.ending:
                return "length" if self.constraints.may_make(modality) else "withheld"
            if modality:
                yield from self.generate_media(modality)
            else:
                yield from self.append_token(token)

    def next_choice(self) -> Choice:
        """What may come next; with `choices`, what continues one of them or ends it."""
        choice = self.constraints.choice(self.remaining_positions, self.model.media_costs)
        if not self.prepared.choices:
            return choice
        following, complete = continuing(self.prepared.choices, self.sampler.recent)
        among = frozenset(following)
        return replace(choice, text=choice.text and bool(among), end=complete, among=among)

    def score(self) -> Generator[Any, Any, FinishReason]:
        """How likely each choice is after the prompt, which is read once."""
        llm, last, length = self.model.llm, self.cache.last, self.cache.length
        assert last is not None

        def predicted(states_TD: Tensor) -> Tensor:
            return log_probabilities(llm.answer_logits(states_TD), llm.signals.vocabulary)

        first_1V = predicted(last[None])  # what the prompt predicts is the same for all choices
        for ids in self.prepared.choices:
            rows_TV = first_1V
            if before := ids[:-1]:
                hidden_TD = yield from self.forward(self.model.embed_ids(before), before)
                rows_TV = torch.cat([first_1V, predicted(hidden_TD)])
                self.cache.crop(length)
            yield ChoiceScored(log_likelihood(rows_TV, ids))
        return "stop"

    def finish_reason(self, choice: Choice) -> FinishReason:
        """Distinguishes text that was cut short from an answer that ends by itself."""
        cut = self.prepared.request.options.may_speak and not choice.text
        ended = self.detokenizer.stopped or choice.end
        return "length" if cut and not ended else "stop"

    def append_token(self, token: int) -> Operations:
        text = ""
        for delta in self.detokenizer.add(token):
            text += delta.text
            yield delta
        self.constraints.add_token(text)
        self.constraints.stopped = self.detokenizer.stopped
        yield from self.forward(self.model.embed_ids([token]), [token])

    def generate_media(self, modality: MediaModality) -> Operations:
        """Reads a whole span in one pass, requests its medium, and reads that back."""
        options = self.prepared.request.options
        caption = self.constraints.text
        part = self.constraints.generated.total()
        yield from self.detokenizer.rest()
        yield from self.read_late_media()
        condition = yield from self.compute_condition(modality)
        negative = yield from self.compute_negative(modality)
        self.constraints.add_medium(modality)
        yield MediaStarted(part, modality, self.needs_caption(condition))
        try:
            task = self.task(modality, part, condition, negative, caption)
        except ValueError as error:
            yield MediaFailed(part, modality, str(error))
            return
        yield RenderMedia(part, modality, task)
        if options.feedback == "wait":
            yield from self.read_back(part)
        elif options.feedback == "late":
            self.late.append(part)
        elif options.same_style and modality not in self.first:
            yield from self.receive(part)

    def compute_condition(self, modality: MediaModality) -> Generator[Any, Any, Tensor]:
        """The decoder's condition, from the hidden states of a span."""
        signals = self.model.llm.signals
        ids, last = signals.span(modality), self.cache.last
        hidden_TD = yield from self.forward(self.model.embed_ids(ids), ids)
        if signals.droppable:  # later text never attends to the span, even if rendering fails
            self.cache.crop(self.cache.length - len(ids))
            self.cache.last = last
        hidden_SD = signals.conditions(hidden_TD)
        return self.model.condition_of(modality, hidden_SD[None])[0]

    def compute_negative(self, modality: MediaModality) -> Generator[Any, Any, Tensor | None]:
        """What guidance leads away from, of a span behind the negative prompt; None if the decoder
        encodes that itself."""
        signals = self.model.llm.signals
        if signals.settings.guidance == "decoder":
            return None
        sample = self.prepared.request.options.media.get(modality, SampleOptions())
        ids = self.model.negative_ids(modality, sample.negative or "")
        hidden_TD = yield from self.forward(self.model.embed_ids(ids), ids, KVCache())
        hidden_SD = signals.conditions(hidden_TD[-signals.length(modality) :])
        return self.model.condition_of(modality, hidden_SD[None])[0]

    def task(
        self,
        modality: MediaModality,
        part: int,
        condition: Tensor,
        negative: Tensor | None,
        caption: str,
    ) -> RenderRequest:
        """The request to the decoder. Raises ValueError if the condition is not finite."""
        request, options = self.prepared.request, self.prepared.request.options
        if self.needs_caption(condition):
            caption = caption.strip() or texts_of(request.messages[-1])
            condition, negative = self.model.encode_prompt(modality, caption), None
        elif not condition.isfinite().all():
            raise ValueError(f"the condition of this {modality} is not finite")
        seed = derive_seed(request.seed, 0 if options.same_seed else part)
        sample = options.media.get(modality, SampleOptions())
        edited = request.edited
        task = RenderRequest(
            condition, seed, sample, negative_condition=negative, previews=request.previews
        )
        if options.edit and edited and modality_of(edited) == modality:
            return replace(task, init_media=edited, strength=options.edit.strength)
        if options.same_style and modality in self.first:
            return replace(task, init_media=self.first[modality], strength=SAME_STYLE)
        return task

    def needs_caption(self, condition: Tensor) -> bool:
        fallback = self.prepared.request.options.caption_fallback
        return fallback and not bool(condition.isfinite().all())

    def read_late_media(self) -> Operations:
        for part in self.late:
            yield from self.read_back(part)
        self.late.clear()

    def read_back(self, part: int) -> Operations:
        """The LLM reads a medium that it requested, once it is there."""
        medium = yield from self.receive(part)
        if medium is not None:
            piece = Features(modality_of(medium), medium)
            yield from self.forward(self.embed(piece), self.model.cache_keys(piece))

    def receive(self, part: int) -> Generator[Any, Any, Media | None]:
        """The medium, once it is there; None if rendering failed."""
        medium: Media | None = yield WaitForMedia(part)
        if medium is not None:
            self.first.setdefault(modality_of(medium), medium)
        return medium

    @property
    def remaining_positions(self) -> int:
        """Positions that are left in the context; late media have theirs reserved."""
        reserved = sum(self.model.media_costs.values()) if self.late else 0
        return self.model.llm.context - self.cache.length - reserved * len(self.late)

    def check_cancelled(self) -> None:
        """Raises CancelledError."""
        if self.cancelled() or self.is_past_deadline():
            raise CancelledError

    def is_past_deadline(self) -> bool:
        deadline = self.prepared.request.options.deadline
        return deadline is not None and self.clock() - self.started > deadline

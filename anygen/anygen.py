"""AnyGen: START READING HERE. Messages in; text, images, audio and video out, in order.

One answer, from the top down: `AnyGen.answer` -> `prepare` (request_checks.py: a valid request and
its prompt) -> `Engine` (generation/engine.py: batches the work of all requests) -> `Sequence`
(generation/sequence.py: what the LLM reads, samples and requests) -> `MultimodalModel`
(model/multimodal.py: the network).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from anygen.checkpoints import checkpoint
from anygen.checkpoints.model_id import ModelId
from anygen.checkpoints.run_weights import fingerprint
from anygen.config.placement import AUTO, Placement
from anygen.core.media import Message
from anygen.generation.answer import Answer, collect
from anygen.generation.choices import ChoiceScore
from anygen.generation.engine import Engine, Slot
from anygen.generation.events import ChoiceScored, Event
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.generation.request_checks import PreparedRequest, prepare, prepare_scores
from anygen.model.multimodal import MultimodalModel
from decoders.base import Cancelled, never


class AnyGen:
    """A model that answers: `model` is its network, `engine` keeps the caches of conversations."""

    def __init__(self, model: MultimodalModel) -> None:
        self.model = model
        self.engine = Engine(model)

    @classmethod
    def from_pretrained(
        cls, name: str | Path = "mini", decoder_memory: int | None = None, **placement: Any
    ) -> AnyGen:
        """A shipped model by its name, or the folder that `save_pretrained` wrote.

        Its decoders load on first use. With `decoder_memory` their weights stay within so many
        bytes: the least recently used are dropped, and loaded again when needed. `placement` are
        the fields of `Placement`: device (by default `auto`: CUDA, then MPS, then the CPU), dtype,
        quant, offload, device_map. Raises ValueError.
        """
        place = Placement(**{"device": AUTO, **placement}).validate_available()
        return cls(MultimodalModel.from_pretrained(name, decoder_memory, place))

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes config, weights and tokenizer files to `folder`."""
        self.model.save_pretrained(folder)

    @cached_property
    def model_id(self) -> ModelId:
        """Which model this is, for the provenance of files."""
        folder, placement = self.model.folder, self.model.placement
        name, weights = checkpoint.name_of(folder), fingerprint([folder])
        return ModelId(name, weights, placement, self.model.llm.sampling)

    def reply(
        self,
        messages: Sequence[Message],
        *,
        seed: int = 0,
        cancelled: Cancelled = never,
        **options: Any,
    ) -> Iterator[Event]:
        """An answer as it comes; `options` are those of `AnswerOptions`. Raises ValueError."""
        return self.answer(Request(messages, seed, AnswerOptions(**options)), cancelled)

    def generate(self, messages: Sequence[Message], **settings: Any) -> Message:
        """The whole answer of `reply` as one message."""
        return collect(self.reply(messages, **settings)).message

    def answer(self, request: Request, cancelled: Cancelled = never) -> Iterator[Event]:
        """Text as it is generated and media as they are made, in the order of the answer.

        Raises ValueError, before anything is computed, for a request that cannot be met.
        """
        return self.stream(prepare(self.model, request), cancelled)

    def stream(self, prepared: PreparedRequest, cancelled: Cancelled) -> Iterator[Event]:
        slot = self.engine.admit(prepared, cancelled)
        try:
            yield from self.engine.events(slot)
        finally:
            self.engine.release(slot)

    def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
        """Many answers at once. Each is the same as alone, bit for bit. Raises ValueError."""
        with self.admitted([prepare(self.model, request) for request in requests]) as slots:
            return [collect(self.engine.events(slot)) for slot in slots]

    def score_choices(
        self, messages: Sequence[Message], choices: Sequence[str]
    ) -> list[ChoiceScore]:
        """How likely each of some given answers to `messages` is, without generating any.

        The prompt, with its media, is read once. Raises ValueError.
        """
        return self.score_many([(messages, choices)])[0]

    def score_many(
        self, rows: Sequence[tuple[Sequence[Message], Sequence[str]]]
    ) -> list[list[ChoiceScore]]:
        """`score_choices` of many rows at once, each the same as alone, bit for bit."""
        prepared = [prepare_scores(self.model, *row) for row in rows]
        with self.admitted(prepared) as slots:
            scored = [scores_of(self.engine.events(slot)) for slot in slots]
        return [
            [ChoiceScore(*row) for row in zip(choices, scores, map(len, one.choices), strict=True)]
            for (_, choices), one, scores in zip(rows, prepared, scored, strict=True)
        ]

    @contextmanager
    def admitted(self, prepared: Sequence[PreparedRequest]) -> Iterator[list[Slot]]:
        slots = [self.engine.admit(one) for one in prepared]
        try:
            yield slots
        finally:
            for slot in slots:
                self.engine.release(slot)


def scores_of(events: Iterable[Event]) -> list[float]:
    return [event.log_likelihood for event in events if isinstance(event, ChoiceScored)]

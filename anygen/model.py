"""AnyGen: START READING HERE. Messages in; text, images, audio and video out, in order.

One turn: `reply` -> `converse` (the LLM speaks; at a trigger token it asks for a medium) ->
`render` (a decoder makes it) -> back into `converse`, which reads what was made and speaks on.

B rows, T positions, K features, S signal tokens, D width of the LLM, W width of the encoder.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from anygen import checkpoint, plugins
from anygen.assets import base_llm, vision_trunk
from anygen.config import System
from anygen.events import (
    Done,
    Event,
    FinishReason,
    MediaDone,
    MediaProgress,
    MediaStarted,
    TextDelta,
)
from anygen.llm import Context, LanguageModel
from anygen.media import Media, Message, Part, append_text
from anygen.modality import MODALITIES, MediaModality, Modality
from anygen.projectors import OutputProjector, build_input_projector
from anygen.prompt import Features, Piece, Span, Tokens, build_prompt
from anygen.rendering import Progress, render
from anygen.request import Maker, Request, derive_seed
from anygen.textstream import TextStream
from decoders.base import Cancelled, CancelledError, SampleOptions, never

PARTS = ("encoder", "llm", "input_projector", "output_projectors", "decoders")


@dataclass(frozen=True)
class MediaRequest:
    """The LLM asks for a medium: it goes on when it is sent the medium."""

    modality: MediaModality
    condition: Tensor  # (tokens, width)
    seed: int


Conversation = Generator[TextDelta | MediaRequest | Done, Media | None, None]


class AnyGen(nn.Module):
    def __init__(self, system: System, folder: Path, parts: Sequence[str] = PARTS) -> None:
        """Random weights around the base ones; `folder` holds the files that `system` names.

        A training stage names the few `parts` that it needs.
        """
        super().__init__()
        self.system, self.folder = system, folder
        if "decoders" in parts:
            self.decoders = build_decoders(system, folder)
        if "encoder" in parts:
            published = system.encoder.options.get("trunk") == "efficientnet_lite2"
            trunk = vision_trunk() if published else None
            self.encoder = plugins.build(
                "encoders", system.encoder, "encoder", folder=folder, vision_trunk=trunk
            )
        if "llm" in parts:
            self.llm = LanguageModel(system.llm, find_base(system.llm.base), tuple(system.decoders))
        if "input_projector" in parts:
            self.input_projector = build_input_projector(
                system.input_projector, self.encoder.width, self.llm.width
            )
        if "output_projectors" in parts:
            self.output_projectors = nn.ModuleDict(
                {
                    m: OutputProjector(system.output_projector, self.llm.width, d.condition_spec)
                    for m, d in self.decoders.items()
                }
            )

    @classmethod
    def from_pretrained(cls, name: str | Path = "mini") -> "AnyGen":
        """A model by the name of a shipped one or the folder that `save_pretrained` wrote."""
        folder = checkpoint.find_model(name)
        model = cls(checkpoint.read_system(folder), folder)
        checkpoint.load_weights(model, [folder / checkpoint.WEIGHTS], complete=True)
        model.llm.merge_lora()
        return model.eval().requires_grad_(False)

    @cached_property
    def maker(self) -> Maker:
        """What files tell of the model that made them."""
        return Maker(checkpoint.name_of(self.folder), checkpoint.fingerprint(self.folder))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config, weights and tokenizer files to `folder`."""
        checkpoint.save_model(self, self.system, self.folder, Path(folder))

    def reply(
        self,
        messages: Sequence[Message],
        *,
        seed: int = 0,
        modalities: Sequence[Modality] | None = None,
        max_new_tokens: int = 256,
        options: SampleOptions = SampleOptions(),
        cancelled: Cancelled = never,
    ) -> Iterator[Event]:
        """One turn: text as it is spoken, media as they are made, in the order of the answer."""
        request = Request(messages, seed, modalities, max_new_tokens, options)
        conversation = self.converse(request, cancelled)
        said, part = next(conversation), 0
        while not isinstance(said, Done):
            if isinstance(said, TextDelta):
                yield said
                said = next(conversation)
                continue
            yield MediaStarted(part, said.modality)
            try:
                medium = yield from self.make(said, part, options, cancelled)
                said = conversation.send(medium)
            except CancelledError as error:
                said = conversation.throw(error)
            part += 1
        yield said

    def generate(self, messages: Sequence[Message], **settings: Any) -> Message:
        """The whole answer of `reply` as one message."""
        return collect(self.reply(messages, **settings))

    @torch.inference_mode()
    def converse(self, request: Request, cancelled: Cancelled = never) -> Conversation:
        """The LLM's side of one turn. A medium that it asks for must be sent back to it."""
        prompt = build_prompt(
            self.with_system(request.messages),
            self.llm.tokenizer,
            reply=True,
            spans=not self.llm.signals.droppable,
        )
        context = Context(self.llm, self.embed(prompt))
        prompt_tokens = context.length
        speech = self.speak(context, request, cancelled)
        try:
            reason = yield from speech
        except CancelledError:
            reason = "cancelled"
        yield Done(reason, prompt_tokens, context.length - prompt_tokens)

    def speak(
        self, context: Context, request: Request, cancelled: Cancelled
    ) -> Generator[TextDelta | MediaRequest, Media | None, FinishReason]:
        """Text and wishes for media until the end of the turn; returns why it ended."""
        allowed = MODALITIES if request.modalities is None else request.modalities
        text = TextStream(self.llm.tokenizer)
        made, limit = 0, context.length + request.max_new_tokens
        while context.length < limit and not cancelled():
            token = context.next_token(allowed, may_end="text" in allowed or made > 0)
            if token == self.llm.tokenizer.eos_token_id:
                yield from text.rest()
                return "stop"
            modality = self.llm.signals.modality_of(token)
            if modality is None:
                yield from text.add(token)
                context.read(self.embed_ids([token]))
                continue
            yield from text.rest()
            signals = self.llm.signals
            hidden_SD = signals.conditions(context.read(self.embed_ids(signals.span(modality))))
            condition = self.output_projectors[modality](hidden_SD[None])[0]
            if signals.droppable:
                context.drop(signals.length(modality))
            medium = yield MediaRequest(modality, condition, derive_seed(request.seed, made))
            context.read(self.embed_piece(Features(modality, cast(Media, medium))))
            made += 1
        yield from text.rest()
        return "cancelled" if cancelled() else "length"

    def make(
        self, request: MediaRequest, part: int, options: SampleOptions, cancelled: Cancelled
    ) -> Generator[Event, None, Media]:
        """Render one medium, with its progress."""
        decoder = self.decoders[request.modality]
        for result in render(decoder, request.condition[None], [request.seed], options, cancelled):
            if isinstance(result, Progress):
                yield MediaProgress(part, request.modality, result.step, result.total)
            else:
                medium = result[0]
                yield MediaDone(part, medium, request.seed)
        return medium

    def reply_many(self, requests: Sequence[Request]) -> list[Message]:
        """Many conversations: their media are rendered together, one batch per modality."""
        conversations = [self.converse(request) for request in requests]
        answers: list[list[Part]] = [[] for _ in requests]
        waiting = {i: advance(c, None, answers[i]) for i, c in enumerate(conversations)}
        while pending := {i: wanted for i, wanted in waiting.items() if wanted is not None}:
            made = self.make_many(pending, requests)
            for index, medium in made.items():
                answers[index].append(medium)
                waiting[index] = advance(conversations[index], medium, answers[index])
        return [Message("assistant", tuple(answer)) for answer in answers]

    def make_many(
        self, wanted: dict[int, MediaRequest], requests: Sequence[Request]
    ) -> dict[int, Media]:
        """The wanted media; those of equal modality and options share a batch."""
        made: dict[int, Media] = {}
        groups: dict[tuple[MediaModality, SampleOptions], list[int]] = {}
        for index, want in wanted.items():
            groups.setdefault((want.modality, requests[index].options), []).append(index)
        for (modality, options), rows in groups.items():
            conditions = torch.stack([wanted[index].condition for index in rows])
            seeds = [wanted[index].seed for index in rows]
            results = render(self.decoders[modality], conditions, seeds, options, never)
            *_, media = results
            made |= dict(zip(rows, cast(list[Media], media)))
        return made

    def with_system(self, messages: Sequence[Message]) -> list[Message]:
        """The system's own prompt stands first unless the messages begin with one."""
        if messages and messages[0].role == "system":
            return list(messages)
        return [Message("system", (self.system.llm.system_prompt,)), *messages]

    def embed(self, prompt: Sequence[Piece]) -> Tensor:
        """Token ids through the embedding table, media through the encoder, in order: (T, D)."""
        return torch.cat([self.embed_piece(piece) for piece in prompt])

    def embed_piece(self, piece: Piece) -> Tensor:
        if isinstance(piece, Tokens):
            return self.embed_ids(piece.ids)
        if isinstance(piece, Span):
            return self.embed_ids(self.llm.signals.span(piece.modality))
        [features_KW] = self.encoder.encode([piece.media])
        return self.embed_features(piece, features_KW)

    def embed_features(self, piece: Features, features_KW: Tensor) -> Tensor:
        """A mark, then the projected features: (1 + K, D)."""
        mark = self.embed_ids([self.llm.signals.mark(piece.modality)])
        return torch.cat([mark, self.input_projector(features_KW)])

    def embed_ids(self, ids: Sequence[int]) -> Tensor:
        return self.llm.embed(torch.tensor(ids, device=self.llm.signal_rows.device))


def build_decoders(system: System, folder: Path) -> nn.ModuleDict:
    """In the order of the YAML, so that a decoder may extend an earlier one."""
    decoders: dict[str, Any] = {}
    for modality, plugin in system.decoders.items():
        decoders[modality] = plugins.build(
            "decoders", plugin, f"decoders.{modality}", folder=folder, decoders=decoders
        )
    return nn.ModuleDict(decoders)


def find_base(base: str) -> Path | str:
    """`smollm2-135m` is fetched once; else a folder with a causal LM, or its Hugging Face id."""
    if base == "smollm2-135m":
        return base_llm()
    if Path(base).is_dir() or "/" in base:
        return base
    raise ValueError(f"llm.base is {base!r}; write smollm2-135m, a folder or a Hugging Face id")


def advance(
    conversation: Conversation, medium: Media | None, answer: list[Part]
) -> MediaRequest | None:
    """Let the LLM speak until it wants a medium; None when its turn is over."""
    while True:
        try:
            said = conversation.send(medium)
        except StopIteration:
            return None
        medium = None
        if isinstance(said, MediaRequest):
            return said
        if isinstance(said, TextDelta):
            append_text(answer, said.text)


def collect(events: Iterator[Event]) -> Message:
    """The message that a stream of events tells."""
    parts: list[Part] = []
    for event in events:
        if isinstance(event, TextDelta):
            append_text(parts, event.text)
        elif isinstance(event, MediaDone):
            parts.append(event.media)
    return Message("assistant", tuple(parts))

"""AnyGen: START READING HERE. Messages in; text, images, audio and video out, in order.

One turn: `answer` -> `sit_down` (messages become a prompt, and what the LLM has read of it already
is found) -> `Speaker.turn` in turn.py (the LLM reads and speaks; at a trigger token it asks for a
medium and reads what was made) -> `Engine` in engine.py, which does what turns wish for: one
forward pass for all that read, and a pool of decoders (rendering.py) for all that is rendered.

T positions, K features, D width of the LLM, W width of features.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from anygen.checkpoints import checkpoint
from anygen.checkpoints.model_id import ModelId
from anygen.config import plugins
from anygen.config.placement import Placement
from anygen.config.plugins import Plugin
from anygen.config.system import System
from anygen.core.content_hash import content_hash
from anygen.core.lru_cache import LRUCache
from anygen.core.media import Message, media_of, modality_of
from anygen.core.modality import MediaModality
from anygen.generation.answer import Answer, collect
from anygen.generation.engine import Engine, Seat
from anygen.generation.events import Event
from anygen.generation.options import AnswerOptions
from anygen.generation.request import Request
from anygen.generation.sequence import Speaker
from anygen.generation.truncation import fitting, shortest
from anygen.io.assets import base_llm, vision_trunk
from anygen.llm.kv_cache import Contexts, Key
from anygen.llm.language_model import LanguageModel
from anygen.llm.prompt import Features, Piece, Span, Tokens, build_prompt, plain_ids, texts_of
from anygen.model.decoder_cache import LazyDecoders
from anygen.model.placing import settle, visiting
from anygen.projectors.input import build_input_projector
from anygen.projectors.output import build_output_projector
from decoders.base import Cancelled, never

PARTS = ("encoder", "llm", "input_projector", "output_projectors", "decoders")
MAX_SEEN = 256  # media whose features are kept


class AnyGen(nn.Module):
    def __init__(
        self,
        system: System,
        folder: Path,
        parts: Sequence[str] = PARTS,
        decoders: LazyDecoders | None = None,
        placement: Placement = Placement(),
    ) -> None:
        """Random weights around the base ones; `folder` holds the files that `system` names.

        A training stage names the few `parts` that it needs. A shelf of stored `decoders` stands
        in for new ones. Under `torch.device("meta")` no weights are read: only shapes are known.
        """
        super().__init__()
        self.system, self.folder, self.placement = system, folder, placement
        described = system.decoders if "decoders" in parts else {}
        self.decoders = LazyDecoders(described, folder) if decoders is None else decoders
        if "encoder" in parts:
            self.encoder = build_encoder(system.encoder, folder)
            self.check_seen("decoders", system.decoders)  # the LLM reads what it had made
        if "llm" in parts:
            base = find_base(system.llm.base, folder)
            self.llm = LanguageModel(system.llm, base, tuple(system.decoders), placement)
            self.contexts = Contexts(self.llm.context)
        if "input_projector" in parts:
            self.input_projector = build_input_projector(
                system.input_projector,
                self.encoder.widths,
                {m: self.encoder.length(m) for m in self.encoder.modalities},
                self.llm.width,
                getattr(self.encoder, "frames", {}),
            )
        if "output_projectors" in parts:
            self.output_projectors = nn.ModuleDict(
                {
                    m: build_output_projector(
                        system.output_projector,
                        system.llm.signals.tokens[m],
                        self.llm.width,
                        self.decoders.spec(m),
                    )
                    for m in self.decoders
                }
            )
        self.seen: LRUCache[str, Tensor] = LRUCache(MAX_SEEN)

    @classmethod
    def from_pretrained(
        cls, name: str | Path = "mini", decoder_memory: int | None = None, **placement: Any
    ) -> "AnyGen":
        """A model by the name of a shipped one or the folder that `save_pretrained` wrote.

        Its decoders load on first use. With `decoder_memory` their weights stay within so many
        bytes: those that were used the longest ago are dropped, and load again when wanted.
        `placement` are the fields of `Placement`: device, dtype, quant, offload, device_map.
        """
        place = Placement(**placement).here()
        folder = checkpoint.find_model(name)
        system, weights = checkpoint.read_system(folder), folder / checkpoint.WEIGHTS
        idle = decoder_memory if place.offload == "none" else decoder_memory or 0
        decoders = LazyDecoders(system.decoders, folder, weights, idle, place.torch_dtype)
        with torch.device(place.device):
            model = cls(system, folder, decoders=decoders, placement=place)
        model.settle()
        checkpoint.load_weights(model, [weights], complete=True)
        model.llm.prepare_answering()
        return model.eval().requires_grad_(False)

    def settle(self) -> None:
        """Every part goes to its place, in its precision. The base LLM was loaded to its own."""
        device, dtype = self.placement.device, self.placement.torch_dtype
        self.decoders.to(device)
        settle(self.encoder, self.placement.encoder_home, dtype)
        for part in (self.input_projector, self.output_projectors):
            settle(part, device, dtype)
        settle(self.llm, device, dtype, but=self.llm.frozen)

    @cached_property
    def maker(self) -> ModelId:
        """What files tell of the model that made them."""
        return ModelId(checkpoint.name_of(self.folder), checkpoint.fingerprint(self.folder))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config, weights and tokenizer files to `folder`."""
        with self.decoders.hold(*self.decoders):
            checkpoint.save_model(self, self.system, self.folder, Path(folder))

    def reply(
        self,
        messages: Sequence[Message],
        *,
        seed: int = 0,
        cancelled: Cancelled = never,
        **options: Any,
    ) -> Iterator[Event]:
        """One turn, as it comes; `options` are those of `AnswerOptions`. Raises ValueError."""
        return self.answer(Request(messages, seed, AnswerOptions(**options)), cancelled)

    def generate(self, messages: Sequence[Message], **settings: Any) -> Message:
        """The whole answer of `reply` as one message."""
        return collect(self.reply(messages, **settings)).message

    def answer(self, request: Request, cancelled: Cancelled = never) -> Iterator[Event]:
        """Text as it is spoken, media as they are made, in the order of the answer.

        Raises ValueError, before anything is computed, for a request that cannot be met.
        """
        self.check(request)
        return (event for _, event in self.run([request], cancelled))

    def reply_many(self, requests: Sequence[Request]) -> list[Answer]:
        """Many answers at once. Each is the same as alone, bit for bit. Raises ValueError."""
        for request in requests:
            self.check(request)
        events: list[list[Event]] = [[] for _ in requests]
        for index, event in self.run(requests):
            events[index].append(event)
        return [collect(told) for told in events]

    @torch.inference_mode()
    def run(
        self, requests: Sequence[Request], cancelled: Cancelled = never
    ) -> Iterator[tuple[int, Event]]:
        """What happens, with the index of the request that it happens to."""

        def sit_down(index: int) -> Seat:
            return self.sit_down(index, requests[index], cancelled)

        yield from Engine(self, sit_down, len(requests)).run()

    def sit_down(self, index: int, request: Request, cancelled: Cancelled) -> Seat:
        """A turn that has not begun: its prompt, and a context that has read most of it."""
        messages, forgotten = fitting(
            self.with_system(request.messages), self.length_of, self.llm.context
        )
        prompt = self.prompt(messages, request.options)
        keys = [key for piece in prompt for key in self.keys_of(piece)]
        speaker = Speaker(self, request, self.contexts.borrow(keys), prompt, keys, cancelled)
        return Seat(index, speaker, speaker.turn(forgotten))

    def check(self, request: Request) -> None:
        """Raises ValueError for a request that cannot be met; the sentence names the field."""
        options = request.options
        if not request.messages:
            raise ValueError("messages: there is none to answer")
        self.check_seen("messages", map(modality_of, media_of(request.messages)))
        for field, modalities in (
            ("modalities", [] if options.may_speak else options.modalities or ()),
            ("begin", [options.begin] if options.begin else []),
            ("exactly", [m for m, count in options.exactly.items() if count]),
            ("media", options.media),
            ("ref", [modality_of(request.edited)] if request.edited else []),
        ):
            for modality in modalities:
                if modality not in self.decoders:
                    raise ValueError(f"{field}: this model makes no {modality}")
        if self.llm.signals.droppable and options.feedback != "wait":
            raise ValueError(
                f"feedback: this model forgets that it asked for a medium, so it must see it; "
                f"{options.feedback!r} is for other models, write wait"
            )
        for modality, sample in options.media.items():
            self.decoders[modality].check(sample)
        least = self.prompt(shortest(self.with_system(request.messages)), options)
        length = sum(len(self.keys_of(piece)) for piece in least)
        if length >= self.llm.context:
            raise ValueError(
                f"messages: the last one and the system prompt have {length} tokens, and the "
                f"model can read {self.llm.context}; shorten them"
            )

    def check_seen(self, field: str, modalities: Iterable[MediaModality]) -> None:
        """Raises ValueError for what the encoder does not take."""
        for modality in modalities:
            if modality not in self.encoder.modalities:
                known = " and ".join(self.encoder.modalities)
                raise ValueError(f"{field}: this model's encoder takes {known}, but no {modality}")

    def prompt(self, messages: Sequence[Message], options: AnswerOptions) -> list[Piece]:
        pieces = build_prompt(
            messages, self.llm.tokenizer, reply=True, spans=not self.llm.signals.droppable
        )
        if options.feedback == "off":  # of what it made itself the model knows the spans alone
            made = {piece.medium for piece in pieces if isinstance(piece, Span)}
            return without_media(pieces, made)
        return pieces

    def with_system(self, messages: Sequence[Message]) -> list[Message]:
        """The system's own prompt, if it has one, stands first unless the messages begin so."""
        prompt = self.system.llm.system_prompt
        if not prompt or (messages and messages[0].role == "system"):
            return list(messages)
        return [Message("system", (prompt,)), *messages]

    def embed(self, prompt: Sequence[Piece]) -> Tensor:
        """Token ids through the embedding table, media through the encoder, in order: (T, D)."""
        return torch.cat([self.embed_piece(piece) for piece in prompt])

    def embed_piece(self, piece: Piece) -> Tensor:
        if not isinstance(piece, Features):
            return self.embed_ids(self.ids_of(piece))
        with visiting(self.encoder, self.placement.device, self.placement.encoder_home):
            [features_KW] = self.encoder.encode([piece.media])
        return self.embed_features(piece, features_KW)

    def recall_piece(self, piece: Piece) -> Tensor:
        """`embed_piece`, but a medium that was seen before is not encoded again."""
        if not isinstance(piece, Features):
            return self.embed_piece(piece)
        return self.seen.get(self.name_of(piece), lambda: self.embed_piece(piece))

    def name_of(self, piece: Features) -> str:
        """Features of the same name have the same embeddings: of one medium, asked about alike."""
        return " ".join([content_hash(piece.media), *map(str, self.heard_of(piece))])

    def heard_of(self, piece: Features) -> Sequence[int]:
        """What the projector hears of what was asked about a medium, as ids of tokens."""
        heard: int = self.input_projector.question
        return plain_ids(piece.asked, self.llm.tokenizer)[:heard] if heard else ()

    def embed_features(self, piece: Features, features_KW: Tensor) -> Tensor:
        """The projected features (T, D) between the marks of their modality: (marks + T, D)."""
        before, after = map(self.embed_ids, self.llm.signals.marks(piece.modality))
        heard = self.heard_of(piece)
        asked = [self.embed_ids(heard)] if heard else []
        projected = self.input_projector.project(piece.modality, features_KW.to(before), *asked)
        return torch.cat([before, projected, after])

    def embed_ids(self, ids: Sequence[int]) -> Tensor:
        device = self.llm.signal_rows.device
        return self.llm.embed(torch.tensor(ids, dtype=torch.long, device=device))

    def ids_of(self, piece: Tokens | Span) -> Sequence[int]:
        return piece.ids if isinstance(piece, Tokens) else self.llm.signals.span(piece.modality)

    def keys_of(self, piece: Piece) -> Sequence[Key]:
        """What stands at each position of a piece, as a context remembers it."""
        if not isinstance(piece, Features):
            return self.ids_of(piece)
        name = self.name_of(piece)
        length = self.llm.signals.around + self.input_projector.length(piece.modality)
        return [(name, index) for index in range(length)]

    def length_of(self, message: Message) -> int:
        """Positions that a message takes, of its own."""
        return sum(
            len(plain_ids(part, self.llm.tokenizer))
            if isinstance(part, str)
            else self.media_costs[modality_of(part)]
            for part in message.parts
        )

    @cached_property
    def media_costs(self) -> dict[MediaModality, int]:
        """Positions that a medium takes at most: its span, its marks and its features."""
        signals, length = self.llm.signals, self.input_projector.length
        spans = {m: signals.length(m) for m in signals.modalities}
        return {m: spans.get(m, 0) + signals.around + length(m) for m in self.encoder.modalities}

    def condition_of(self, modality: MediaModality, hidden_NSD: Tensor) -> Tensor:
        """What spans ask of a decoder, by those of their hidden states that condition it."""
        if self.system.output_projector.residual:
            rows_SD = self.embed_ids(self.llm.signals.span(modality))
            hidden_NSD = hidden_NSD + self.llm.signals.conditions(rows_SD)
        conditions: Tensor = self.output_projectors[modality](hidden_NSD)
        return conditions

    def encode_prompt(
        self, modality: MediaModality, said: str, messages: Sequence[Message]
    ) -> Tensor:
        """The condition of a plain caption: what was just said, else what was asked for."""
        caption = said.strip() or texts_of(messages[-1])
        condition: Tensor = self.decoders[modality].encode_prompt([caption])
        return condition[0]


def without_media(pieces: Sequence[Piece], made: set[int]) -> list[Piece]:
    """Pieces but for the features of the media that are numbered so."""
    kept, number = [], -1
    for piece in pieces:
        number += isinstance(piece, Features)
        if not (isinstance(piece, Features) and number in made):
            kept.append(piece)
    return kept


def build_encoder(described: Plugin, folder: Path, where: str = "encoder") -> Any:
    """What `described` says; an encoder that joins others has them built by this, too."""

    def build_part(modality: MediaModality, settings: Mapping[str, Any]) -> Any:
        return build_encoder(Plugin.model_validate(settings), folder, f"{where}.{modality}")

    published = described.options.get("trunk") == "efficientnet_lite2"
    unread = torch.get_default_device().type == "meta"
    return plugins.build(
        "encoders",
        described,
        where,
        folder=folder,
        vision_trunk=vision_trunk() if published and not unread else None,
        build_part=build_part,
    )


def find_base(base: str, folder: Path) -> Path | str:
    """`smollm2-135m` is fetched once; else a folder with a causal LM, or its Hugging Face id.

    The folder may lie in that of the model, as a converted one does.
    """
    if base == "smollm2-135m":
        return base_llm()
    if (folder / base).is_dir():
        return folder / base
    if Path(base).is_dir() or "/" in base:
        return base
    raise ValueError(f"llm.base is {base!r}; write smollm2-135m, a folder or a Hugging Face id")

"""The network: an encoder, input projectors, an LLM, output projectors and decoders.

It computes one thing at a time and keeps no state between calls; `anygen.generation.engine` turns
that into answers.

T positions, K features, S signal tokens, D width of the LLM, W width of features.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from anygen.checkpoints import checkpoint
from anygen.checkpoints.run_weights import weights_of
from anygen.config.placement import Placement
from anygen.config.system import System
from anygen.core.content_hash import content_hash
from anygen.core.media import Message
from anygen.core.modality import MediaModality
from anygen.llm.backbone import width_of
from anygen.llm.kv_cache import Key
from anygen.llm.language_model import LanguageModel
from anygen.llm.prompt import Features, Piece, Span, Tokens, plain_ids
from anygen.llm.tokenization import ids_of
from anygen.model.building import build_encoder, find_base
from anygen.model.decoder_cache import LazyDecoders
from anygen.model.decoder_record import KEY, read_record
from anygen.model.placing import settle, visiting
from anygen.numerics.fp16_linear import Pack, packed
from anygen.projectors.input import build_input_projector
from anygen.projectors.output import build_output_projector

PARTS = ("encoder", "llm", "input_projector", "output_projectors", "decoders")


class MultimodalModel(nn.Module):
    def __init__(
        self,
        system: System,
        folder: Path,
        parts: Sequence[str] = PARTS,
        decoders: LazyDecoders | None = None,
        placement: Placement = Placement(),
        as_stored: bool = False,
    ) -> None:
        """Random weights around the base ones; `folder` holds the files that `system` names.

        A training stage names the few `parts` that it needs. Stored `decoders` stand in for new
        ones. Under `torch.device("meta")` no weights are read: only shapes are known. With
        `as_stored` the base LLM may have the type of its files until `llm.prepare_answering()`.
        """
        super().__init__()
        self.system, self.folder, self.placement = system, folder, placement
        plugins = system.decoders if "decoders" in parts else {}
        self.decoders = LazyDecoders(plugins, folder) if decoders is None else decoders
        if "encoder" in parts:
            self.encoder = build_encoder(system.encoder, folder)
            self.check_encodable("decoders", system.decoders)  # the LLM reads its own media
        if "llm" in parts:
            base = find_base(system.llm.base, folder)
            self.llm = LanguageModel(system.llm, base, tuple(system.decoders), placement, as_stored)
        if "input_projector" in parts:
            self.input_projector = build_input_projector(
                system.input_projector,
                self.encoder.widths,
                {m: self.encoder.length(m) for m in self.encoder.modalities},
                self.llm.width if "llm" in parts else width_of(find_base(system.llm.base, folder)),
                self.encoder.frames,
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

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        decoder_memory: int | None = None,
        placement: Placement = Placement(),
        pack: Pack = packed,
    ) -> "MultimodalModel":
        """A shipped model by its name, or the folder of a model or a training run, to answer with.

        Its decoders load on first use. With `decoder_memory` their weights stay within so many
        bytes: the least recently used are dropped, and loaded again when needed. `pack` lays out
        the linear layers of the LLM; by default float32 ones on a CPU become half precision.
        """
        folder = checkpoint.find_model(name)
        system, weights = checkpoint.read_system(folder), weights_of([folder])
        idle = decoder_memory if placement.offload == "none" else decoder_memory or 0
        decoders = LazyDecoders(
            system.decoders, folder, weights, idle, placement.torch_dtype, read_record(folder)
        )
        with torch.device(placement.device):
            model = cls(system, folder, decoders=decoders, placement=placement, as_stored=True)
        model.settle()
        checkpoint.load_weights(model, weights, complete=True)
        model.llm.prepare_answering(pack)
        return model.eval().requires_grad_(False)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config, weights and tokenizer files to `folder`."""
        with self.decoders.hold(*self.decoders):
            record = {KEY: self.decoders.record.model_dump(mode="json")}
            checkpoint.save_model(self, self.system, self.folder, Path(folder), record)

    def settle(self) -> None:
        """Move every part to its device and precision. The base LLM was loaded to its own."""
        device, dtype = self.placement.device, self.placement.torch_dtype
        self.decoders.to(device)
        settle(self.encoder, self.placement.encoder_home, dtype)
        for part in (self.input_projector, self.output_projectors):
            settle(part, device, dtype)
        settle(self.llm, device, dtype, but=self.llm.frozen)

    def check_encodable(self, field: str, modalities: Iterable[MediaModality]) -> None:
        """Raises ValueError if the encoder does not take one of the modalities."""
        for modality in modalities:
            if modality not in self.encoder.modalities:
                known = " and ".join(self.encoder.modalities)
                raise ValueError(f"{field}: this model's encoder takes {known}, but no {modality}")

    def with_system_prompt(self, messages: Sequence[Message]) -> list[Message]:
        """The messages after the model's own system prompt, unless they begin with another."""
        prompt = self.system.llm.system_prompt
        if not prompt or (messages and messages[0].role == "system"):
            return list(messages)
        return [Message("system", (prompt,)), *messages]

    # --- inputs of the LLM

    def embed(self, prompt: Sequence[Piece]) -> Tensor:
        """Token ids through the embedding table, media through the encoder, in order: (T, D)."""
        return torch.cat([self.embed_piece(piece) for piece in prompt])

    def embed_piece(self, piece: Piece) -> Tensor:
        """One piece of a prompt: (T, D)."""
        if not isinstance(piece, Features):
            return self.embed_ids(self.token_ids(piece))
        with visiting(self.encoder, self.placement.device, self.placement.encoder_home):
            [features_KW] = self.encoder.encode([piece.media])
        return self.embed_features(piece, features_KW)

    def embed_features(self, piece: Features, features_KW: Tensor) -> Tensor:
        """The projected features (T, D) between the marks of their modality: (marks + T, D)."""
        before, after = map(self.embed_ids, self.llm.signals.marks(piece.modality))
        question = self.question_ids(piece)
        conditions = [self.embed_ids(question)] if question else []
        features_KW = features_KW.to(before)
        projected = self.input_projector.project(piece.modality, features_KW, *conditions)
        return torch.cat([before, projected, after])

    def embed_ids(self, ids: Sequence[int]) -> Tensor:
        """Ids of text and signal tokens (T,) -> (T, D)."""
        device = self.llm.signal_rows.device
        return self.llm.embed(torch.tensor(ids, dtype=torch.long, device=device))

    def token_ids(self, piece: Tokens | Span) -> Sequence[int]:
        return piece.ids if isinstance(piece, Tokens) else self.llm.signals.span(piece.modality)

    def cache_keys(self, piece: Piece) -> Sequence[Key]:
        """What identifies each position of a piece in a KV cache."""
        if not isinstance(piece, Features):
            return self.token_ids(piece)
        name = self.feature_key(piece)
        length = self.llm.signals.around + self.input_projector.length(piece.modality)
        return [(name, index) for index in range(length)]

    def feature_key(self, piece: Features) -> str:
        """Features with equal keys have equal embeddings: one medium with one question."""
        return " ".join([content_hash(piece.media), *map(str, self.question_ids(piece))])

    def question_ids(self, piece: Features) -> Sequence[int]:
        """Tokens of the question beside a medium that an instruction-aware projector reads."""
        limit: int = self.input_projector.question
        return plain_ids(piece.question, self.llm.tokenizer)[:limit] if limit else ()

    @cached_property
    def media_costs(self) -> dict[MediaModality, int]:
        """The most positions that a medium takes: its span, its marks and its features."""
        signals, length = self.llm.signals, self.input_projector.length
        spans = {m: signals.length(m) for m in signals.modalities}
        return {m: spans.get(m, 0) + signals.around + length(m) for m in self.encoder.modalities}

    # --- conditions of decoders

    def condition_of(self, modality: MediaModality, hidden_NSD: Tensor) -> Tensor:
        """Conditions of N spans, from their hidden states that `Signals.conditions` selects."""
        if self.system.output_projector.residual:
            rows_SD = self.embed_ids(self.llm.signals.span(modality))
            hidden_NSD = hidden_NSD + self.llm.signals.conditions(rows_SD)
        conditions: Tensor = self.output_projectors[modality](hidden_NSD)
        return conditions

    def negative_ids(self, modality: MediaModality, negative: str = "") -> Sequence[int]:
        """The tokens of a text and a span behind it, from which guidance of `span` leads away."""
        tokenizer = self.llm.tokenizer
        first = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        text = ids_of(negative, tokenizer, begins=True, split_special_tokens=True)
        return [*first, *text, *self.llm.signals.span(modality)]

    def encode_prompt(self, modality: MediaModality, caption: str) -> Tensor:
        """The condition of a plain caption, by the decoder's own text encoder."""
        return self.decoders[modality].encode_prompt([caption])[0]

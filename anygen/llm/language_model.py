"""The causal LLM, with signal tokens beside its vocabulary and LoRA inside.

B rows, T positions, P positions with those of the cache, D width, V size of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from anygen.config.placement import Placement
from anygen.config.system import LanguageModelSettings
from anygen.core.modality import MediaModality
from anygen.llm.adapters import MediaLayers
from anygen.llm.attention import Attention
from anygen.llm.backbone import (
    ATTENTION,
    check_backbone,
    decoder_config,
    find_sampling,
    find_stops,
    load_base,
    load_tokenizer,
    longest_context,
    non_text_ids,
)
from anygen.llm.fast_llama import Llama
from anygen.llm.kv_cache import Adapted, is_medium
from anygen.llm.lora import (
    LoraLayer,
    acting_at,
    fold_lora,
    insert_lora,
    lora_layers,
    own_weights,
    unchanged,
    widened,
)
from anygen.llm.passes import CacheInput, Pass, one_pass, passes_of_lanes
from anygen.llm.router import Router, layers_before
from anygen.llm.signal_tokens import Signals, side_mask, side_positions
from anygen.numerics.devices import device_kind
from anygen.numerics.fp16_linear import ROWS, Fp16Linear, Pack, packed
from anygen.numerics.int8_linear import Int8Linear

if TYPE_CHECKING:
    from transformers import DynamicCache

SAMPLE_ROWS = 16  # of an embedding table


class LanguageModel(nn.Module):
    """`base` is frozen and never saved; signal rows, trigger rows and LoRA are trained.

    With a router, LoRA acts only at positions whose keys are `Adapted`: those that the media expert
    reads.
    """

    silent: Tensor  # ids that are not text
    ends: Tensor  # ids that end an answer
    frozen = ("base.",)

    def __init__(
        self,
        settings: LanguageModelSettings,
        base: Path | str,
        modalities: tuple[MediaModality, ...],
        placement: Placement = Placement(),
        as_stored: bool = False,
    ) -> None:
        """Raises ValueError for a base that is not whole, or that contexts cannot read for.

        With `as_stored` the base may have the type of its files until `prepare_answering`, and
        signal rows, which are loaded then, have no first values.
        """
        super().__init__()
        self.settings, self.placement = settings, placement
        self.tokenizer = load_tokenizer(base, settings.template, as_stored)
        self.base = load_base(base, settings, placement, as_stored)
        tokens = self.tokenizer.get_vocab()
        self.longest_token = max(map(len, tokens))  # characters; of byte-level ones, bytes
        check_backbone(self.base, tokens.values(), settings)
        self.stops = find_stops(self.base, self.tokenizer, settings.stop)
        self.sampling = find_sampling(self.base, settings.sampling)
        vocabulary, self.width = self.base.get_input_embeddings().weight.shape
        silent = non_text_ids(self.tokenizer, tokens.values(), vocabulary, self.stops)
        self.register_buffer("silent", torch.tensor(silent).long(), persistent=False)
        self.register_buffer("ends", torch.tensor([*self.stops.ids]).long(), persistent=False)
        self.signals = Signals(vocabulary, modalities, settings.signals)
        rows = torch.empty(self.signals.rows, self.width)
        self.signal_rows = nn.Parameter(rows if as_stored else self.random_like(rows))
        self.trigger_rows = nn.Parameter(torch.zeros(len(modalities), self.width))
        self.trigger_bias = nn.Parameter(torch.zeros(len(modalities)))
        kind = settings.media_layers
        self.media_layers = None if kind == "none" else MediaLayers(kind, self.decoder)
        insert_lora(settings, self.decoder)
        if self.media_layers:
            self.media_layers.float().hook(self.decoder)
        self.router = Router(self.width) if settings.adapter == "activated" else None
        self.checkpointing = False
        self.llama: Llama | None = None  # faster layers for answering
        longest = longest_context(self.config)
        self.context = min(settings.context or longest, longest)  # positions at most

    def random_like(self, rows: Tensor) -> Tensor:
        """Random embeddings (N, D) that are as large as those of the base."""
        scale = embedding_std(self.base.get_input_embeddings())
        return torch.randn_like(rows).to(scale.device) * scale

    @property
    def decoder(self) -> Any:
        """The LLM without its head."""
        return self.base.get_decoder()

    @property
    def config(self) -> Any:
        return decoder_config(self.base)

    def embed(self, ids: Tensor) -> Tensor:
        """Ids (T,) of text and signal tokens -> (T, D)."""
        vocabulary = self.signals.vocabulary
        text: Tensor = self.base.get_input_embeddings()(ids.clamp(max=vocabulary - 1))
        text = text.to(self.signal_rows.dtype)  # a frozen base may be held in fewer bits
        signals = ids[ids >= vocabulary] - vocabulary
        return text.masked_scatter((ids >= vocabulary)[:, None], self.signal_rows[signals])

    def hidden(
        self,
        embeds: Tensor,
        cache: DynamicCache | None = None,
        branches: Tensor | None = None,
        media: Tensor | None = None,
    ) -> Tensor:
        """Embeddings (B, T, D) -> hidden states after the final norm, (B, T, D).

        `branches` (B, P) hides spans from all that follows them, see `side_positions`.
        `media` (B, T) marks the positions of media, for layers that only media use.
        """
        branching = {} if branches is None else branch_arguments(branches, embeds)
        with self.media_at(media, embeds):
            output = self.decoder(
                inputs_embeds=embeds, cache=cache, use_cache=cache is not None, **branching
            )
        return output.last_hidden_state

    @contextmanager
    def media_at(self, media: Tensor | None, embeds: Tensor) -> Iterator[None]:
        """Within the context, embeddings (B, T, D) have media at the positions `media` (B, T)."""
        if self.media_layers is None:
            yield
            return
        with self.media_layers.enabled(media, embeds):
            yield

    def new_cache(self, beginning: DynamicCache | None = None, rows: int = 1) -> DynamicCache:
        """An empty cache of transformers, or one of `rows` rows that all start with `beginning`."""
        from transformers import DynamicCache  # for training; a chat starts without it

        read = beginning.layers if beginning and beginning.get_seq_length() else []
        data = [tuple(x.expand(rows, -1, -1, -1) for x in (c.keys, c.values)) for c in read]
        return DynamicCache(data or None)  # of all positions, also for layers with a window

    def read(self, inputs: Sequence[CacheInput]) -> list[Tensor]:
        """Appends embeddings (T, D) to each cache; returns their hidden states (T, D).

        The result for one input does not depend on the others.
        """
        hidden = [torch.empty_like(embeds) for _, embeds, _ in inputs]
        for batch in self.passes(inputs):
            states, middle = self.run(batch, inputs)
            for chunk in batch.chunks:
                hidden[chunk.index][chunk.part] = states[chunk.rows]
                chunk.cache.middle = middle[chunk.rows][-1]
        for (cache, _, keys), states in zip(inputs, hidden, strict=True):
            cache.positions += keys
            cache.last = states[-1]
        return hidden

    def passes(self, inputs: Sequence[CacheInput]) -> list[Pass]:
        on_cpu = device_kind(inputs[0][1].device) == "cpu"
        if on_cpu and not (self.llama and self.llama.is_row_wise):
            return passes_of_lanes(inputs)
        return one_pass(inputs, ROWS)

    def run(self, batch: Pass, inputs: Sequence[CacheInput]) -> tuple[Tensor, Tensor]:
        """The hidden states of one forward pass, and those for the router, (T, D) each."""
        like = inputs[0][1]
        embeds_TD = like.new_zeros(batch.length, like.shape[1])
        media_T = torch.zeros(batch.length, dtype=torch.bool)
        adapted_T = torch.zeros(batch.length, dtype=torch.bool)
        for chunk in batch.chunks:
            _, embeds, keys = inputs[chunk.index]
            embeds_TD[chunk.rows] = embeds[chunk.part]
            adapted_T[chunk.rows] = isinstance(keys[0], Adapted)
            if self.media_layers:
                media_T[chunk.rows] = torch.tensor([is_medium(key) for key in keys[chunk.part]])
        attention = Attention(batch, like.device)
        if self.llama:
            adapted = adapted_T[:, None].to(like) if adapted_T.any() else None
            return self.llama(embeds_TD, attention, adapted)
        with (
            self.media_at(media_T[None].to(like.device), embeds_TD[None]),
            self.adapted_at(adapted_T),
        ):
            return self.run_with_transformers(embeds_TD, attention)

    @contextmanager
    def adapted_at(self, adapted_T: Tensor) -> Iterator[None]:
        """Within the context, LoRA acts at some of the rows of a pass (1, T, D)."""
        if self.router is None:
            yield
        elif not adapted_T.any():
            with self.as_published():
                yield
        else:
            with acting_at(self.lora_layers(), adapted_T):
                yield

    def run_with_transformers(self, embeds: Tensor, attention: Attention) -> tuple[Tensor, Tensor]:
        """Embeddings (T, D) of a pass -> hidden states (T, D), and those for the router."""
        config = self.config
        usual, config._attn_implementation = config._attn_implementation, ATTENTION
        try:
            with self.middle_states() as middle:
                output = self.decoder(
                    inputs_embeds=embeds[None],
                    position_ids=attention.positions[None],
                    attention=attention,
                    use_cache=False,
                )
        finally:
            config._attn_implementation = usual
        return output.last_hidden_state[0], middle[0][0]

    @contextmanager
    def middle_states(self) -> Iterator[list[Tensor]]:
        """A list that gets what the router reads (B, T, D) of passes within the context."""
        states: list[Tensor] = []
        layer = self.decoder.layers[self.layers_before_router - 1]
        hook = layer.register_forward_hook(
            lambda _, __, output: states.append(output if torch.is_tensor(output) else output[0])
        )
        try:
            yield states
        finally:
            hook.remove()

    @property
    def layers_before_router(self) -> int:
        return layers_before(len(self.decoder.layers))

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., V + modalities): text tokens, then one trigger per modality."""
        text = self.text_logits(hidden)
        triggers = (hidden[..., None, :] * self.trigger_rows).sum(-1) + self.trigger_bias
        return torch.cat([text, triggers], dim=-1)

    def answer_logits(self, hidden: Tensor) -> Tensor:
        """The same of rows (B, D) for answering: no row depends on the others."""
        row_wise = isinstance(self.base.get_output_embeddings(), Fp16Linear) and not self.softcap
        if device_kind(hidden.device) != "cpu" or row_wise:
            return self.logits(hidden)
        return torch.cat([self.logits(row) for row in hidden.split(1)])

    def text_logits(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., V), by the base model's own head."""
        logits: Tensor = self.base.get_output_embeddings()(hidden)
        return logits if self.softcap is None else self.softcap * (logits / self.softcap).tanh()

    @property
    def softcap(self) -> float | None:
        """The bound of the logits, which tanh approaches (Gemma 2)."""
        softcap: float | None = getattr(self.config, "final_logit_softcapping", None)
        return softcap

    def label_of(self, token: int) -> int:
        """The column of `logits` of a text token or a trigger."""
        modality = self.signals.modality_of(token)
        if modality is None:
            return token
        return self.signals.vocabulary + self.signals.modalities.index(modality)

    def prepare_training(
        self, int8: bool = False, checkpointing: bool = False, fused: bool = False
    ) -> None:
        """Readies the base for a backward pass.

        `fused` attention is for accelerators: the backward pass of the CPU's kernel is several
        times slower than plain attention.

        With `checkpointing` a layer's activations are computed again in the backward pass, from
        its input, which is all that is kept of it (Chen et al. 2016, "Training Deep Nets with
        Sublinear Memory Cost").
        """
        self.base.set_attn_implementation("sdpa" if fused else "eager")
        if checkpointing:
            self.base.activation_checkpointing_enable(self.checkpoint_options())
            self.base.disable_input_require_grads()  # LoRA needs none, and ids have no gradients
            self.checkpointing = True
        if int8:
            for layer in self.lora_layers():
                layer.base_layer = Int8Linear(layer.base_layer)

    def checkpoint_options(self) -> dict[str, Any]:
        """Arguments of torch's `checkpoint`: what is computed again knows again where media are."""
        options: dict[str, Any] = {"use_reentrant": False}
        if self.media_layers is not None:
            options["context_fn"] = self.media_layers.contexts
        return options

    def lora_layers(self) -> Iterable[LoraLayer]:
        return lora_layers(self.base)

    def prepare_answering(self, pack: Pack = packed) -> None:
        """Pack the base weights, with LoRA folded in if it acts everywhere; what is saved stays.

        A Llama is read by layers of our own from then on. Weights of few bits, and those that
        are spread over devices, are left as they are, with LoRA beside them.

        It goes layer by layer, and what a layer was loaded as is gone before the next is packed. In
        the end nothing is left in files that were mapped into memory.
        """
        loaded = {parameter.data_ptr() for parameter in self.base.parameters()}
        dtype = self.placement.torch_dtype
        if self.placement.can_merge_lora and self.placement.offload == "sequential":
            fold_lora(self.base, dtype, unchanged, self.router is not None)
        elif self.placement.can_merge_lora:
            self.pack_layers(dtype, pack)
        own_weights(self.base, dtype, loaded)
        if self.placement.offload == "sequential":
            from accelerate import cpu_offload  # answers of whole models do without it

            cpu_offload(self.base, torch.device(self.placement.device))

    def pack_layers(self, dtype: torch.dtype, pack: Pack) -> None:
        beside = self.router is not None  # LoRA acts at some rows only
        plain = self.config.model_type == "llama" and self.config.hidden_act == "silu"
        if plain and self.media_layers is None:

            def fold(layer: nn.Module) -> None:
                if not beside:
                    fold_lora(layer, dtype, unchanged)

            def finish(linear: nn.Linear) -> nn.Module:
                return pack(widened(linear, dtype))

            self.llama = Llama(self.base, finish, fold, self.layers_before_router)
        else:
            fold_lora(self.base, dtype, pack, beside)
        if self.media_layers:
            self.media_layers.hook(self.decoder)

    def use_lora(self, enabled: bool) -> None:
        """Without LoRA the text is the base model's own."""
        for layer in self.lora_layers():
            layer.enabled = enabled

    @contextmanager
    def as_published(self) -> Iterator[None]:
        """Inside, the text is the base model's own, and nothing learns."""
        self.use_lora(False)
        try:
            with torch.no_grad():
                yield
        finally:
            self.use_lora(True)


def branch_arguments(branches_BP: Tensor, embeds_BTD: Tensor) -> dict[str, Tensor]:
    """Position ids and attention mask of the last T of P positions."""
    new = embeds_BTD.shape[1]
    mask = side_mask(branches_BP, embeds_BTD.dtype)
    return {
        "position_ids": side_positions(branches_BP)[:, -new:],
        "attention_mask": mask[:, :, -new:],
    }


def embedding_std(embedding: nn.Module) -> Tensor:
    """The standard deviation of embeddings, (): Gemma's are scaled rows of the table."""
    rows: Tensor = embedding.weight[:SAMPLE_ROWS]  # type: ignore[index]
    embedded = embedding(torch.arange(len(rows), device=rows.device))
    return embedding.weight.std() * (embedded.std() / rows.std())  # type: ignore[operator]

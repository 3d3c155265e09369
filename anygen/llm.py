"""The causal LLM: signal tokens beside its vocabulary, LoRA inside, decoding with a KV cache.

B rows, T positions, P positions with those of the cache, D width, V size of the vocabulary.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache
from transformers.utils import logging

from anygen.config import LanguageModel as Settings
from anygen.int8 import Int8Linear
from anygen.modality import MediaModality, Modality
from anygen.signals import Signals, side_mask, side_positions


class LanguageModel(nn.Module):
    """`base` is frozen and never saved; signal rows, trigger rows and LoRA are ours."""

    def __init__(
        self, settings: Settings, base: Path | str, modalities: tuple[MediaModality, ...]
    ) -> None:
        super().__init__()
        self.settings = settings
        logging.disable_progress_bar()  # loading takes a second
        self.tokenizer = AutoTokenizer.from_pretrained(base)
        self.base = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        self.base.requires_grad_(False)
        self.signals = Signals(self.base.config.vocab_size, modalities, settings.signals)
        embedding = self.base.get_input_embeddings().weight
        self.width: int = embedding.shape[1]
        scale = embedding.std().item()
        self.signal_rows = nn.Parameter(torch.randn(self.signals.rows, self.width) * scale)
        self.trigger_rows = nn.Parameter(torch.zeros(len(modalities), self.width))
        self.trigger_bias = nn.Parameter(torch.zeros(len(modalities)))
        inject_adapter_in_model(lora_config(settings), self.base)

    def embed(self, ids: Tensor) -> Tensor:
        """Ids (T,) of text and signal tokens -> (T, D)."""
        vocabulary = self.signals.vocabulary
        text = self.base.get_input_embeddings()(ids.clamp(max=vocabulary - 1))
        signal = self.signal_rows[(ids - vocabulary).clamp(min=0)]
        return torch.where((ids < vocabulary)[:, None], text, signal)

    def hidden(
        self, embeds: Tensor, cache: DynamicCache | None = None, branches: Tensor | None = None
    ) -> Tensor:
        """Embeddings (B, T, D) -> hidden states after the final norm, (B, T, D).

        `branches` (B, P) hides spans from all that follows them, see `side_positions`.
        """
        sight = {} if branches is None else side_sight(branches, embeds)
        output = self.base.model(
            inputs_embeds=embeds, cache=cache, use_cache=cache is not None, **sight
        )
        return output.last_hidden_state

    def new_cache(self, beginning: DynamicCache | None = None, rows: int = 1) -> DynamicCache:
        """An empty KV cache, or one of `rows` rows that all begin with what one row has read."""
        read = beginning.layers if beginning and beginning.get_seq_length() else []
        data = [tuple(x.expand(rows, -1, -1, -1) for x in (c.keys, c.values)) for c in read]
        return DynamicCache(data or None, config=self.base.config)

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., V + modalities): text tokens, then one trigger per modality."""
        text = self.base.lm_head(hidden)
        triggers = hidden @ self.trigger_rows.T + self.trigger_bias
        return torch.cat([text, triggers], dim=-1)

    def label_of(self, token: int) -> int:
        """The column of `logits` of a text token or a trigger."""
        modality = self.signals.modality_of(token)
        if modality is None:
            return token
        return self.signals.vocabulary + self.signals.modalities.index(modality)

    def prepare_training(self, int8: bool = False) -> None:
        """Plain attention: the backward pass of the CPU's fused kernel is several times slower."""
        self.base.set_attn_implementation("eager")
        if int8:
            for layer in self.lora_layers():
                layer.base_layer = Int8Linear(layer.base_layer)

    def lora_layers(self) -> Iterable[LoraLayer]:
        return (module for module in self.base.modules() if isinstance(module, LoraLayer))

    def merge_lora(self) -> None:
        """Fold LoRA into the base weights for full decoding speed; what is saved stays as it is."""
        for layer in self.lora_layers():
            layer.merge()

    def use_lora(self, enabled: bool) -> None:
        """Without LoRA the text is the base model's own."""
        for layer in self.lora_layers():
            layer.enable_adapters(enabled)

    @contextmanager
    def as_published(self) -> Iterator[None]:
        """Inside, the text is the base model's own, and nothing learns."""
        self.use_lora(False)
        try:
            with torch.no_grad():
                yield
        finally:
            self.use_lora(True)


class Context:
    """What the LLM has read so far: a KV cache, and the last hidden state."""

    def __init__(self, llm: LanguageModel, embeds: Tensor) -> None:
        """`embeds` (T, D)."""
        self.llm = llm
        self.cache = llm.new_cache()
        self.length = 0
        self.read(embeds)

    def read(self, embeds: Tensor) -> Tensor:
        """More embeddings (T, D) in one forward pass; their hidden states (T, D).

        Raises ValueError where the conversation gets longer than the LLM can read.
        """
        limit = self.llm.base.config.max_position_embeddings
        if self.length + embeds.shape[0] > limit:
            raise ValueError(
                f"the conversation is longer than the {limit} tokens that the model can read; "
                "begin a new one"
            )
        hidden = self.llm.hidden(embeds[None], cache=self.cache)[0]
        self.last = hidden[-1]
        self.length += embeds.shape[0]
        return hidden

    def drop(self, count: int) -> None:
        """Forget the last positions."""
        self.length -= count
        self.cache.crop(-count)

    def next_token(self, allowed: Collection[Modality], may_end: bool = True) -> int:
        """The likeliest token: text, a trigger of an allowed modality, or the end of the turn."""
        logits = self.llm.logits(self.last)
        signals, end = self.llm.signals, self.llm.tokenizer.eos_token_id
        end_logit = logits[end].clone() if may_end else -torch.inf
        if "text" not in allowed:
            logits[: signals.vocabulary] = -torch.inf
        logits[end] = end_logit
        for index, modality in enumerate(signals.modalities):
            if modality not in allowed:
                logits[signals.vocabulary + index] = -torch.inf
        best = int(logits.argmax())
        if best < signals.vocabulary:
            return best
        return signals.trigger(signals.modalities[best - signals.vocabulary])


def side_sight(branches_BP: Tensor, embeds_BTD: Tensor) -> dict[str, Tensor]:
    """What the last T of P positions are told of where they stand and what they see."""
    new = embeds_BTD.shape[1]
    mask = side_mask(branches_BP, embeds_BTD.dtype)
    return {
        "position_ids": side_positions(branches_BP)[:, -new:],
        "attention_mask": mask[:, :, -new:],
    }


def lora_config(settings: Settings) -> LoraConfig:
    lora = settings.lora
    return LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=lora.targets)

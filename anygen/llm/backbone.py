"""The causal LLM as others publish it: loaded whole or not at all, and what ends its answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from anygen.checkpoints.checkpoint import INDEX, WEIGHTS, open_weights
from anygen.config.placement import Placement, Precision
from anygen.config.sampling import Sampling, SamplingOptions
from anygen.config.system import LanguageModelSettings
from anygen.core.schema import explain
from anygen.io.pretrained import check_complete, reading, shapes_only
from anygen.llm.attention import attend_for_transformers
from anygen.llm.chat_template import end_of_turn, read_template, shipped
from anygen.llm.plain_llama import read_llama
from anygen.llm.tokenization import ids_of, read_plain_tokenizer, read_tokenizer

ATTENTION = "anygen_contexts"  # what transformers knows `attend_for_transformers` by
TYPES: dict[str, Precision] = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
LOOKS = {"full_attention", "sliding_attention"}
NF4_INPUTS, NF4_OUTPUTS = 64, 32  # multiples that bitsandbytes packs for AVX512-BF16
DRAWN_TOP_K = 50  # of transformers, where a model is sampled and its files do not mention it
SCALED = ("logit_scale", "logits_scaling")  # Cohere, Granite: between the head and the logits


@dataclass(frozen=True)
class Stops:
    """What ends an answer: tokens, and texts that are spelt with several."""

    ids: frozenset[int]
    texts: tuple[str, ...]


def load_tokenizer(base: Path | str, template: str | None, as_stored: bool = False) -> Any:
    """With a chat template: its own, or a file in configs/templates. Raises ValueError.

    With `as_stored`, one without the classes of transformers, if its files are all it needs.
    """
    chosen = None if template is None else read_template(template)
    plain = read_plain_tokenizer(Path(base), chosen) if as_stored else None
    if plain:
        return plain
    with reading("tokenizer for llm.base", str(base)):
        tokenizer = read_tokenizer(base)
    if chosen is not None:
        tokenizer.chat_template = chosen
    if tokenizer.chat_template is None:
        raise ValueError(
            f"llm.base {base}: its tokenizer has no chat template; name one in llm.template: "
            f"{', '.join(shipped())}"
        )
    return tokenizer


def load_base(
    base: Path | str, settings: LanguageModelSettings, placement: Placement, as_stored: bool
) -> Any:
    """`load_backbone`, without the classes of transformers if only layers of ours will read it."""
    has_own_layers = as_stored and settings.media_layers == "none"
    llama = read_llama(base, placement) if has_own_layers else None
    return llama or load_backbone(base, placement, as_stored)


def load_backbone(
    base: Path | str, placement: Placement = Placement(), as_stored: bool = False
) -> Any:
    """A causal LM, frozen, where `placement` has it.

    With `as_stored`, weights in host memory may have the type of their files, which are then mapped
    rather than copied; the caller converts them. Under `torch.device("meta")` no weights are read.
    Raises ValueError if weights are damaged or missing, and for layers that nf4 cannot hold.
    """
    # A chat with a plain Llama starts without these classes, which take seconds to import.
    from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging

    AttentionInterface.register(ATTENTION, attend_for_transformers)
    logging.disable_progress_bar()  # loading takes a second
    if placement.quant == "nf4" and placement.device == "cpu" and not shapes_only():
        check_nf4_shapes(base)
    with reading("LLM for llm.base", str(base)):
        if shapes_only():
            config = AutoConfig.from_pretrained(base)
            model = AutoModelForCausalLM.from_config(config, dtype=placement.torch_dtype)
        else:
            kwargs = placement.load_kwargs()
            if as_stored and placement.llm_home == "cpu" and placement.can_merge_lora:
                kwargs["dtype"] = type_to_load(base, placement.torch_dtype)
            model, report = AutoModelForCausalLM.from_pretrained(
                base, output_loading_info=True, **kwargs
            )
            check_complete(report)
    return model.requires_grad_(False)


def outlined(base: Path | str, dtype: Precision = "float32") -> Any:
    """The shapes of a causal LM, from its configuration alone."""
    with torch.device("meta"):
        return load_backbone(base, Placement(dtype=dtype))


def width_of(base: Path | str) -> int:
    """The width of a causal LM's embeddings, of which no weights are read."""
    width: int = outlined(base).get_input_embeddings().weight.shape[1]
    return width


def type_to_load(base: Path | str, dtype: torch.dtype) -> torch.dtype:
    """The type of an LLM's files if all weights have it and `dtype` holds them exactly, or `dtype`.

    A model's own constants, such as the scale of Gemma's embeddings, would be rounded to that type:
    a model that has any is loaded in `dtype`.
    """
    stored = stored_types(Path(base))
    if len(stored) != 1:
        return dtype
    [name] = stored
    narrow: torch.dtype = getattr(torch, name)
    if torch.promote_types(narrow, dtype) != dtype:
        return dtype
    constants = {buffer.dtype for buffer in outlined(base, name).buffers()}
    return dtype if narrow in constants else narrow


def stored_types(folder: Path) -> set[Precision]:
    """The types of the tensors in a folder's safetensors files; empty if there are none."""
    path = folder / WEIGHTS
    if not path.is_file() and not path.with_name(f"{WEIGHTS}{INDEX}").is_file():
        return set()
    file = open_weights(path)
    names = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    return {TYPES[name] for name in names} if names <= TYPES.keys() else set()


def check_nf4_shapes(base: Path | str) -> None:
    """Raises ValueError for layers that bitsandbytes multiplies in 4 bits on some CPUs only."""
    for name, layer in outlined(base).get_decoder().named_modules():
        if isinstance(layer, nn.Linear):
            inputs, outputs = layer.in_features, layer.out_features
            if inputs % NF4_INPUTS or outputs % NF4_OUTPUTS:
                raise ValueError(
                    f"quant: on a CPU nf4 needs layers with a multiple of {NF4_INPUTS} inputs and "
                    f"of {NF4_OUTPUTS} outputs, and {name} of {base} has {inputs} and {outputs}; "
                    "write int8, or leave quant out"
                )


def check_backbone(model: Any, known: Iterable[int], settings: LanguageModelSettings) -> None:
    """Raises ValueError for an LLM whose attention anygen/llm/attention.py cannot replace, or that
    lacks tokens of its tokenizer, `known`.

    Sinks, linear attention and the like would be left out without an error.
    """
    config, name = decoder_config(model), type(model).__name__
    if not model._supports_attention_backend:
        raise ValueError(f"{name}: transformers has no way to replace its attention")
    others = set(getattr(config, "layer_types", None) or ()) - LOOKS
    if others:
        raise ValueError(f"{name}: layers of {', '.join(sorted(others))} are not supported")
    if any(name.endswith(".sinks") for name, _ in model.named_parameters()):
        raise ValueError(f"{name}: attention sinks are not supported")
    if any(getattr(config, scale, None) not in (None, 1) for scale in SCALED):
        raise ValueError(f"{name}: scaled logits are not supported")
    if settings.signals.droppable and window_of(config):
        raise ValueError(
            f"llm.signals.droppable: {name} attends to a window of {window_of(config)} positions, "
            "which hidden spans would shift; write false"
        )
    check_vocabulary(model, known)


def check_vocabulary(model: Any, known: Iterable[int]) -> None:
    rows = model.get_input_embeddings().weight.shape[0]
    largest = max(known)
    if largest >= rows:
        raise ValueError(
            f"the tokenizer has token {largest}, but the LLM has {rows} tokens, counted from 0: "
            "they do not belong together"
        )


def decoder_config(model: Any) -> Any:
    """The part of a model's configuration that concerns text."""
    return model.config.get_text_config(decoder=True)


def window_of(config: Any) -> int | None:
    """The positions that a layer of sliding attention attends to; None without such layers."""
    layers = getattr(config, "layer_types", None) or ["sliding_attention"]
    return getattr(config, "sliding_window", None) if "sliding_attention" in layers else None


def longest_context(config: Any) -> int:
    """The most positions, without those beyond which LongRoPE changes the angles of all others."""
    ropes = getattr(config, "rope_parameters", None) or {}
    for rope in [ropes, *(r for r in ropes.values() if isinstance(r, dict))]:
        if rope.get("rope_type") == "longrope":
            return int(rope["original_max_position_embeddings"])
    return int(config.max_position_embeddings)


def find_stops(model: Any, tokenizer: Any, more: Sequence[str | int]) -> Stops:
    """The end of a turn in the chat template, the stops in the LLM's files, and `more`.

    Raises ValueError for a token that the LLM lacks.
    """
    ends = model.generation_config.eos_token_id
    ids = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
    texts = []
    for stop in [end_of_turn(tokenizer), *more]:
        last = stop if isinstance(stop, int) else last_token(stop, tokenizer)
        if last is not None:
            ids.add(last)
        elif stop:
            texts.append(str(stop))
    rows = model.get_input_embeddings().weight.shape[0]
    if ids and max(ids) >= rows:
        raise ValueError(
            f"token {max(ids)} is to end answers (llm.stop, or the files of the LLM), but the LLM "
            f"has {rows} tokens, counted from 0"
        )
    return Stops(frozenset(ids), tuple(texts))


def find_sampling(model: Any, settings: SamplingOptions) -> Sampling:
    """How answers are sampled unless they say otherwise: `settings`, or else the LLM's own files.

    Without `do_sample` these mean greedy decoding, as for transformers, whatever else they hold.
    Raises ValueError if they are out of range, or if settings limit what is not drawn.
    """
    config = model.generation_config
    names = Sampling.model_fields if config.do_sample else ["repetition_penalty"]
    stated = {name: getattr(config, name, None) for name in names}
    stated = {name: value for name, value in stated.items() if value is not None}
    drawn = {"temperature": 1.0, "top_k": DRAWN_TOP_K} if config.do_sample else {}
    try:
        defaults = Sampling.model_validate(drawn | stated)
    except ValidationError as error:
        raise ValueError(
            f"generation_config.json of llm.base: {explain(error, Sampling)}"
        ) from None
    try:
        return settings.over(defaults)
    except ValueError as error:
        raise ValueError(f"llm.sampling.{error}") from None


def last_token(text: str, tokenizer: Any) -> int | None:
    """The added token that a text ends with, if it does: no other text contains such a token."""
    ids = ids_of(text, tokenizer)
    return ids[-1] if ids and ids[-1] in tokenizer.added_tokens_decoder else None


def non_text_ids(tokenizer: Any, known: Iterable[int], rows: int, stops: Stops) -> list[int]:
    """Ids that are not text: special tokens except for stops, and rows without a token.

    `known` are the ids that are tokens.
    """
    special = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
    empty = set(range(rows)).difference(known)
    return sorted((special | empty) - stops.ids)

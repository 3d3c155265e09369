"""Tiny random LLMs of the families that people use, in the folders in which they are published."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoTokenizer,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from support.sentencepiece_folders import TEXT, write_tokenizer

WINDOW = 16
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
}

# The structure of each family's own template, in our words.
LLAMA_3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + "
    "'<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    "{% endif %}"
)
QWEN_3 = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}"
    "{% if m['role'] == 'assistant' and loop.last %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    "{{ m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}"
    "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}"
)
ALTERNATING = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}"
)
MISTRAL = ALTERNATING + (
    "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
GEMMA = ALTERNATING + (
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\\n' + "
    "m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Family:
    model: Any
    config: Any
    special: tuple[str, ...] = ()  # tokens; without any, the tokenizer is SentencePiece's
    template: str | None = None  # the tokenizer's own
    settings: tuple[str, ...] = ()  # of anygen
    sizes: dict[str, Any] = field(default_factory=dict)
    stops: tuple[str, ...] = ()  # in generation_config.json


FAMILIES = {
    "vicuna": Family(
        LlamaForCausalLM,
        LlamaConfig,
        settings=("llm.template=vicuna_v1.jinja",),
        sizes={"tie_word_embeddings": False},
    ),
    "vicuna 0": Family(
        LlamaForCausalLM,
        LlamaConfig,
        settings=("llm.template=nextgpt.jinja", "llm.stop=[7, '###']"),
        sizes={"tie_word_embeddings": False},
    ),
    "llama 3": Family(
        LlamaForCausalLM,
        LlamaConfig,
        ("<|begin|>", "<|end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        LLAMA_3,
        sizes={
            "tie_word_embeddings": False,
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 500000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            },
        },
        stops=("<|end|>", "<|eot_id|>"),
    ),
    "qwen 3": Family(
        Qwen3ForCausalLM,
        Qwen3Config,
        ("<|endoftext|>", "<|im_end|>", "<|im_start|>"),
        QWEN_3,
        sizes={"tie_word_embeddings": True},
    ),
    "mistral": Family(
        MistralForCausalLM,
        MistralConfig,
        template=MISTRAL,
        sizes={"sliding_window": WINDOW, "tie_word_embeddings": False},
    ),
    "gemma 3": Family(
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        ("<bos>", "<eos>", "<pad>", "<start_of_turn>", "<end_of_turn>"),
        GEMMA,
        sizes={
            "sliding_window": WINDOW,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "query_pre_attn_scalar": 16,
            "tie_word_embeddings": True,
        },
        stops=("<eos>", "<end_of_turn>"),
    ),
}


def publish(name: str, folder: Path, **sizes: Any) -> Path:
    """Writes the folder of a family."""
    family = FAMILIES[name]
    write = write_byte_tokenizer if family.special else write_sentencepiece
    tokenizer = write(family, folder)
    torch.manual_seed(0)
    config = family.config(
        **{**SIZES, **family.sizes, **sizes},
        vocab_size=len(tokenizer) + 3,  # rows without a token, as Qwen has them
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
    )
    model = family.model(config)
    if family.stops:
        model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids([*family.stops])
    model.save_pretrained(folder)
    return folder


def write_byte_tokenizer(family: Family, folder: Path) -> Any:
    """Whose own texts begin with the first of the special tokens, if the template's do."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=list(family.special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    first, end = family.special[:2]
    begins = "bos_token" in family.template
    if begins:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", special_tokens=[(first, tokenizer.token_to_id(first))]
        )
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=first if begins else None, eos_token=end
    )
    made.chat_template = family.template
    made.save_pretrained(folder)
    return made


def write_sentencepiece(family: Family, folder: Path) -> Any:
    """`tokenizer.model` alone, as in Vicuna's folders: a first token, and a space before texts."""
    write_tokenizer(folder, legacy=False, template=family.template)
    return AutoTokenizer.from_pretrained(folder)

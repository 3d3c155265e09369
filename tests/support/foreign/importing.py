"""What the tests of importers share: a base LLM, plain torch to compute with, our side of it."""

import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from anygen import AnyGen
from anygen.core.media import Message
from anygen.generation.request import Request
from anygen.generation.request_checks import prepare
from anygen.importers.conversion import import_checkpoint
from anygen.llm.kv_cache import KVCache
from anygen.model.multimodal import MultimodalModel
from support.answers import observed
from support.precision import unpacked
from support.published_prompts import Published
from support.sentencepiece_folders import write_tokenizer

WIDTH = 32
SPACE = "▁"


def write_base(folder, vocabulary=340, width=WIDTH, tied=False, rows=None, seed=0):
    """A random Llama whose head is not tied, with a tokenizer as in Vicuna's first releases."""
    write_tokenizer(folder, vocabulary=vocabulary)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=rows or vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        initializer_range=0.2,
        tie_word_embeddings=tied,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def tokenizer_of(base):
    return AutoTokenizer.from_pretrained(base)


def llama_of(base):
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).requires_grad_(False)


def published(base):
    """How the authors of all systems here tokenise with this base."""
    return Published((Path(base) / "tokenizer.model").read_bytes(), legacy=None)


def random_lora(llama, names, rank, seed=1):
    """Matrices A and B by the name of the linear layer that they are for."""
    torch.manual_seed(seed)
    layers = {name: layer for name, layer in llama.named_modules() if name.endswith(names)}
    return {
        name: (
            torch.randn(rank, layer.in_features) / 10,
            torch.randn(layer.out_features, rank) / 10,
        )
        for name, layer in layers.items()
    }


def merge(llama, lora, scale=1.0):
    """W + scale B A, as Hu et al. 2021 have it."""
    for name, (down, up) in lora.items():
        llama.get_submodule(name).weight.data += scale * up @ down


def last_hidden(llama, embeds_TD):
    """Hidden states (T, D) after the last norm, by transformers."""
    return llama.model(inputs_embeds=embeds_TD[None]).last_hidden_state[0]


def write_system(path, base, **sections):
    """A system's file with published parts: an encoder of one feature, and `sections`.

    `llm` holds what differs from the published template of Vicuna.
    """
    defaults = {
        "encoder": {"name": "support.foreign.encoder"},
        "input_projector": {"kind": "linear"},
        "decoders": {},
    }
    llm = {"base": str(base), "template": "vicuna_v1.jinja", **sections.pop("llm", {})}
    path.write_text(json.dumps({**defaults, **sections, "llm": llm}))  # JSON is YAML
    return str(path)


def converted(source, layout, system, out, parts=()):
    """The model that an import makes, in float32, in which the other side computes."""
    import_checkpoint(source, layout, system, out, parts)
    return AnyGen(MultimodalModel.from_pretrained(out, pack=unpacked))


def user(*parts):
    return Message("user", parts)


@torch.no_grad()
def hidden_of(model, messages):
    """What our LLM makes of a prompt, (T, D)."""
    prepared = prepare(model.model, Request(messages))
    embeds = model.model.embed([piece for piece, _ in prepared.prompt.pieces])
    [hidden] = model.model.llm.read([(KVCache(), embeds, prepared.prompt.keys)])
    return hidden


def conditions_of(model, messages, *modalities):
    """Of the media that our model is made to answer with, each in an answer of its own."""
    found = []
    for modality in modalities:
        with observed(model) as work:
            options = {"begin": modality, "max_media": 1, "max_new_tokens": 1}
            list(model.reply(messages, **options))
        found += work.conditions
    return found

"""What the tests of importers share: a base LLM, plain torch to compute with, our side of it."""

import json

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from anygen import AnyGen
from anygen.core.media import Message
from anygen.generation.request import Request
from anygen.generation.request_checks import prepare
from anygen.importers.conversion import import_checkpoint
from anygen.llm.kv_cache import KVCache
from anygen.model.multimodal import MultimodalModel
from support.answers import observed
from support.precision import unpacked

# The prompt of PandaGPT and NExT-GPT.
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] }}"
    "{% elif message['role'] == 'user' %}{{ '### Human: ' + message['content'] + '\n' }}"
    "{% else %}{{ '### Assistant: ' + message['content'] + '\n###' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### Assistant:' }}{% endif %}"
)
WIDTH = 32
SPACE = "▁"


def write_base(folder, vocabulary=300, width=WIDTH, tied=False):
    """A random Llama whose head is not tied, with a tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<s>", "</s>", SPACE],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["### Human: draw a cat ### Assistant: here it is"] * 3, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        initializer_range=0.2,
        tie_word_embeddings=tied,
        bos_token_id=fast.bos_token_id,
        eos_token_id=fast.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def tokenizer_of(base):
    return AutoTokenizer.from_pretrained(base)


def llama_of(base):
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).requires_grad_(False)


def ids_of(base, text):
    return tokenizer_of(base)(text, add_special_tokens=False).input_ids


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
    """A system's file with published parts: an encoder of one feature, and `sections`."""
    defaults = {
        "encoder": {"name": "support.foreign.encoder"},
        "input_projector": {"kind": "linear"},
        "decoders": {},
    }
    llm = {"base": str(base), **sections.pop("llm", {})}
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
    embeds = model.model.embed([piece for piece, _ in prepared.pieces])
    [hidden] = model.model.llm.read([(KVCache(), embeds, prepared.keys)])
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

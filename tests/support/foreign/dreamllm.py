"""DreamLLM in plain torch, written from its paper and layout: an LLM and three plugins."""

import torch
from torch import nn

from support.foreign.importing import WIDTH, last_hidden, llama_of, tokenizer_of, write_system

TOKENS, CONDITION, FEATURES = 6, 20, 12
SPECIAL = [
    "[PAD]",
    "<image>",
    "<im_patch>",
    "<im_start>",
    "<im_end>",
    "<dream>",
    "<dream_start>",
    "<dream_end>",
]
DECODERS = {
    "image": {
        "name": "support.foreign.decoder",
        "modality": "image",
        "tokens": TOKENS,
        "width": CONDITION,
    }
}


class DreamLlm:
    """All of the LLM was trained, and its tables are longer."""

    def __init__(self, base):
        self.base = base
        self.llama = llama_of(base)
        self.vocabulary = self.llama.config.vocab_size
        torch.manual_seed(4)
        with torch.no_grad():
            for parameter in self.llama.parameters():
                parameter += torch.randn_like(parameter) / 20
        rows = self.vocabulary + len(SPECIAL)
        self.embedding = nn.Embedding(rows, WIDTH).requires_grad_(False)
        self.head = nn.Linear(WIDTH, rows, bias=False).requires_grad_(False)
        self.queries = torch.randn(1, TOKENS, WIDTH)
        self.project = nn.Linear(FEATURES, WIDTH).requires_grad_(False)
        self.ask = nn.Linear(WIDTH, CONDITION, bias=False).requires_grad_(False)

    def embed(self, ids):
        return self.embedding(torch.tensor(ids, dtype=torch.long))

    def special(self, name):
        return self.embed([self.vocabulary + SPECIAL.index(name)])

    def picture(self, features):
        return torch.cat(
            [self.special("<im_start>"), self.project(features), self.special("<im_end>")]
        )

    def dream(self):
        return torch.cat(
            [self.special("<dream_start>"), self.queries[0], self.special("<dream_end>")]
        )

    def conditions(self, pieces):
        """Hidden states (T, D) of what is read, and the condition of the dream at its end."""
        hidden = last_hidden(self.llama, torch.cat([*pieces, self.dream()]))
        return hidden, self.ask(hidden[-1 - TOKENS : -1])


def write_dreamllm(folder, model):
    """The LLM in Hugging Face's layout, in two pieces, and a pickle per plugin."""
    folder.mkdir()
    tokenizer = tokenizer_of(model.base)
    tokenizer.add_tokens(SPECIAL)
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "dreamllm"}')  # nobody here knows it
    weights = dict(model.llama.state_dict())
    weights |= {
        "model.embed_tokens.weight": model.embedding.weight,
        "lm_head.weight": model.head.weight,
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4),
    }
    names = sorted(weights)
    for index, half in enumerate((names[::2], names[1::2]), start=1):
        piece = {name: weights[name] for name in half}
        torch.save(piece, folder / f"pytorch_model-0000{index}-of-00002.bin")
    torch.save({"dream_queries": model.queries}, folder / "dream_embedding.bin")
    eyes = {f"projector.projector.{n}": p for n, p in model.project.named_parameters()}
    eyes["clip_vision_model.vision_model.embeddings.class_embedding"] = torch.ones(3)
    torch.save(eyes, folder / "clip_vision_embedding.bin")
    head = {f"projector.projector.{n}": p for n, p in model.ask.named_parameters()}
    head |= {"vae.encoder.conv_in.bias": torch.ones(3), "unet.conv_in.bias": torch.ones(3)}
    torch.save(head, folder / "stable_diffusion_head.bin")
    return folder


def dreamllm_system(path, base, **changes):
    signals = {"kind": "queries", "tokens": {"image": TOKENS}, "marks": "around"}
    signals |= {"closing": True, "guidance": "span"}
    return write_system(
        path,
        base,
        llm={"signals": signals | changes},
        output_projector={"kind": "linear", "bias": False},
        decoders=DECODERS,
    )

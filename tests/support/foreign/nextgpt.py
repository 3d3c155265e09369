"""NExT-GPT in plain torch, written from its paper and layout: both of its codes' checkpoints."""

from dataclasses import dataclass, field

import torch
from torch import nn

from support.foreign.importing import (
    SPACE,
    WIDTH,
    last_hidden,
    llama_of,
    merge,
    published,
    random_lora,
    tokenizer_of,
    write_system,
)

COUNTS = {"image": 4, "video": 24, "audio": 8}  # in the order of their ids
SHAPES = {"image": (7, 20), "video": (5, 24), "audio": (1, 12)}  # tokens and width of conditions
FEATURES = 12
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]
DECODERS = {
    m: {"name": "support.foreign.decoder", "modality": m, "tokens": tokens, "width": width}
    for m, (tokens, width) in SHAPES.items()
}
OUTPUT = {
    "kind": "transformer",
    "residual": True,
    "width": 16,
    "layers": 4,
    "encoder_layers": 4,
    "heads": 4,
}


class TextFcLayer(nn.Module):
    """The output projector: queries through a whole transformer that reads the span."""

    def __init__(self, tokens, width, first, last):
        super().__init__()
        self.names = first, last
        self.add_module(first, nn.Linear(WIDTH, 16))
        self.tfm = nn.Transformer(
            d_model=16,
            nhead=4,
            num_encoder_layers=4,
            num_decoder_layers=4,
            dim_feedforward=64,
            dropout=0.0,
            batch_first=True,
            norm_first=True,
        )
        self.add_module(last, nn.Linear(16, width))
        self.query_embs = nn.Parameter(torch.randn(1, tokens, 16))

    def forward(self, hidden, embeddings):
        first, last = (getattr(self, name) for name in self.names)
        return last(self.tfm(first(hidden + embeddings), self.query_embs))


@dataclass
class NextGpt:
    """An LLM with a longer vocabulary, and what stands before and behind it."""

    base: str
    first: str  # how the linear layers of output projectors are called
    last: str
    new: int  # token rows beyond the vocabulary
    around: tuple[str, str]  # texts before and after the picture of a prompt
    outputs: dict = field(default_factory=dict)

    def __post_init__(self):
        torch.manual_seed(3)
        self.llama = llama_of(self.base)
        self.vocabulary = self.llama.config.vocab_size
        # all rows were trained, those of the vocabulary too
        rows = self.vocabulary + self.new
        self.embedding = nn.Embedding(rows, WIDTH).requires_grad_(False)
        table = self.llama.get_input_embeddings().weight
        self.embedding.weight[: self.vocabulary] = table + torch.randn_like(table) * table.std() / 4
        self.head = nn.Linear(WIDTH, rows, bias=False).requires_grad_(False)
        self.lora = {}
        self.project = nn.Linear(FEATURES, WIDTH)
        for modality, shape in SHAPES.items():
            projector = TextFcLayer(*shape, self.first, self.last)
            self.outputs[modality] = projector.requires_grad_(False).eval()

    def tune(self):
        """LoRA, and the LLM with it merged."""
        self.lora = random_lora(self.llama, tuple(TARGETS), rank=32)
        merge(self.llama, self.lora)

    def embed(self, ids):
        return self.embedding(torch.tensor(ids, dtype=torch.long))

    @torch.no_grad()
    def condition(self, modality, features, span, before=(), after=()):
        """Of the medium that is asked for right after a question with a picture in it."""
        theirs = published(self.base)
        start, end = (theirs.text(text) for text in self.around)
        pieces = [
            self.embed([*theirs.first, *start, *before]),
            self.project(features),
            self.embed([*after, *end, *span]),
        ]
        hidden = last_hidden(self.llama, torch.cat(pieces))
        condition = self.outputs[modality](hidden[None, -len(span) :], self.embed(span)[None])
        return hidden, condition


def legacy(base):
    """The model of the published checkpoint: <Img>, </Img>, then the signals."""
    around = "### Human:", "draw it\n### Assistant:"
    model = NextGpt(base, "fc", "model", 2 + sum(COUNTS.values()), around)
    model.tune()
    return model


def legacy_spans(vocabulary):
    first, spans = vocabulary + 2, {}
    for modality, count in COUNTS.items():
        spans[modality] = list(range(first, first + count))
        first += count
    return spans


def legacy_keys(model):
    """What agent.py saves."""
    llm = "llama_model.base_model.model"
    keys = {
        f"{llm}.model.embed_tokens.weight": model.embedding.weight,
        f"{llm}.lm_head.weight": model.head.weight,
        "llama_proj.weight": model.project.weight,
        "llama_proj.bias": model.project.bias,
    }
    for name, matrices in model.lora.items():
        for letter, matrix in zip("AB", matrices, strict=True):
            keys[f"{llm}.{name}.lora_{letter}.default.weight"] = matrix
    for modality, suffix in (("image", ""), ("video", "_video"), ("audio", "_audio")):
        for name, parameter in model.outputs[modality].named_parameters():
            keys[f"gen_text_hidden_fcs{suffix}.0.{name}"] = parameter
    return {name: nn.Parameter(tensor.detach()) for name, tensor in keys.items()}


def write_legacy(folder, model):
    """The published folder: the pickle, and a tokenizer that knows the new tokens."""
    folder.mkdir()
    torch.save(legacy_keys(model), folder / "pytorch_model.pt")
    tokenizer = tokenizer_of(model.base)
    signals = [
        f"[{name}{i}]"
        for name, count in zip(("IMG", "VID", "AUD"), COUNTS.values(), strict=True)
        for i in range(count)
    ]
    tokenizer.add_tokens(["<Img>", "</Img>", *signals])
    tokenizer.save_pretrained(folder)
    return folder


def legacy_system(path, base, **sections):
    signals = {"kind": "tokens", "tokens": COUNTS, "marks": "around"}
    lora = {"rank": 32, "alpha": 32, "targets": TARGETS}
    defaults = {"output_projector": OUTPUT, "decoders": DECODERS}
    llm = {"signals": signals, "lora": lora, "template": "nextgpt.jinja"} | sections.pop("llm", {})
    return write_system(path, base, llm=llm, **defaults | sections)


def rewrite(base, project):
    """The model of the second code: signals alone, and no LoRA in the files of its projectors."""
    around = "USER: ", "draw it ASSISTANT:"
    model = NextGpt(base, "in_fc", "out_fc", sum(COUNTS.values()), around)
    model.project = project
    return model


def rewrite_spans(base, vocabulary):
    """A space between two signals is a token of its own."""
    first, spans, space = vocabulary, {}, tokenizer_of(base).get_vocab()[SPACE]
    for modality, count in COUNTS.items():
        span = [space] * (2 * count - 1)
        span[::2] = range(first, first + count)
        spans[modality] = span
        first += count
    return spans


def write_rewrite(folder, model):
    """Both files have the tables of tokens; those of the second stage were trained last."""
    folder.mkdir()
    tables = {
        "model.embed_tokens.weight": model.embedding.weight,
        "lm_head.weight": model.head.weight,
    }
    projector = {f"model.mm_input_projector.{n}": p for n, p in model.project.named_parameters()}
    older = {name: torch.zeros_like(table) for name, table in tables.items()}
    torch.save(projector | older, folder / "mm_input_projector.bin")
    outputs = {
        f"model.mm_output_{name}_projector.{key}": parameter
        for name, projector in zip(("img", "vid", "aud"), model.outputs.values(), strict=True)
        for key, parameter in projector.named_parameters()
    }
    torch.save(outputs | tables, folder / "mm_output_projector.bin")
    return folder


def rewrite_system(path, base, **sections):
    counts = {modality: 2 * count - 1 for modality, count in COUNTS.items()}
    llm = {"signals": {"kind": "tokens", "tokens": counts, "marks": "none"}}
    defaults = {"output_projector": OUTPUT, "decoders": DECODERS}
    return write_system(path, base, llm=llm, **defaults | sections)

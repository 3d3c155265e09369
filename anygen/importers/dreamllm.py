"""DreamLLM's checkpoints (RunpeiDong/dreamllm-7b-chat-v1.0): an LLM, and one pickle per plugin.

Keys are those of modeling_plugins.py and mlp_projector.py in its repository.
"""

from collections.abc import Sequence

from torch import Tensor

from anygen.core.modality import MEDIA
from anygen.importers.layout import (
    BASE,
    ZERO_TRIGGER_BIAS,
    File,
    FillRule,
    Importer,
    KeyRule,
    Target,
    Transform,
    squeeze_first,
    token_rows,
    zero_lora,
)

QUERIES, VISION, DIFFUSION, LLM = (
    "dream/",
    "clip/",
    "diffusion/",
    "llm/",
)  # prefixes of the files' keys
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
FROZEN = "frozen in every stage: the published weights are loaded"


def key_rules(target: Target) -> list[KeyRule]:
    """A span is <dream_start>, the queries and <dream_end>; <im_start> and <im_end> mark features.

    Raises ValueError for a system that generates anything but images.
    """
    signals, vocabulary = target.signals, target.signals.vocabulary
    if signals.modalities != ("image",):
        raise ValueError(
            "dreamllm generates only images; the system must have an image decoder and no other"
        )
    first, *queries, last = (i - vocabulary for i in signals.span("image"))
    marks = [i - vocabulary for m in MEDIA for ids in signals.marks(m) for i in ids]
    tokens = ["<dream_start>", "<dream_end>", *["<im_start>", "<im_end>"] * len(MEDIA)]
    learned = special(target, tokens)
    known = token_rows(range(vocabulary), vocabulary + len(target.added), target)
    return [
        KeyRule(f"{QUERIES}dream_queries", "llm.signal_rows", squeeze_first, queries),
        KeyRule(f"{LLM}{EMBEDDING}", "llm.signal_rows", learned, [first, last, *marks]),
        KeyRule(f"{LLM}{HEAD}", "llm.trigger_rows", special(target, ["<dream_start>"])),
        KeyRule(f"{LLM}{EMBEDDING}", f"{BASE}{EMBEDDING}", known),
        KeyRule(f"{LLM}{HEAD}", f"{BASE}{HEAD}", known),
        KeyRule(rf"{LLM}(model\.(?:layers|norm)\.(?!.*inv_freq).+)", rf"{BASE}\1"),
        KeyRule(rf"{VISION}projector\.projector\.(.+)", r"input_projector.\1"),
        KeyRule(rf"{DIFFUSION}projector\.projector\.(.+)", r"output_projectors.image.outward.\1"),
    ]


def special(target: Target, tokens: Sequence[str]) -> Transform:
    """Selects the rows of tokens; their ids are looked up only if the checkpoint has a table."""

    def select(table: Tensor) -> Tensor:
        total = target.signals.vocabulary + len(target.added)
        return token_rows([target.id_of(token) for token in tokens], total, target)(table)

    return select


def fill_rules(target: Target) -> Sequence[FillRule]:
    return [ZERO_TRIGGER_BIAS, *zero_lora(target)]


IMPORTER = Importer(
    files=(
        File(("dream_embedding.bin",), ("llm",), QUERIES),
        File(("clip_vision_embedding.bin",), ("input_projector",), VISION),
        File(("stable_diffusion_head.bin",), ("output_projectors",), DIFFUSION),
        File(("pytorch_model*.bin", "model*.safetensors"), ("llm",), LLM),
    ),
    required={
        "llm.signals.kind": "queries",
        "llm.signals.marks": (1, 1),
        "llm.signals.droppable": False,
        "llm.signals.closing": True,
        "llm.signals.guidance": "span",
        "output_projector.kind": "linear",
        "output_projector.bias": False,
        "output_projector.residual": False,
    },
    key_rules=key_rules,
    fill_rules=fill_rules,
    ignored={
        rf"{VISION}clip_vision_model\..+": FROZEN,
        rf"{DIFFUSION}(vae|unet)\..+": FROZEN,
        rf"{LLM}.+\.rotary_emb\.inv_freq": "computed from the LLM's config",
    },
    base_weights=".+",
)

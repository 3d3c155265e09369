"""DreamLLM's checkpoints (RunpeiDong/dreamllm-7b-chat-v1.0): an LLM, and a pickle per plugin.

The names are those of modeling_plugins.py and mlp_projector.py of its repository.
"""

from collections.abc import Sequence

from torch import Tensor

from anygen.core.modality import MEDIA
from anygen.importers.layout import (
    BASE,
    NO_BIAS,
    DefaultTensor,
    File,
    Importer,
    Row,
    Take,
    Target,
    squeezed,
    token_rows,
    zero_lora,
)

QUERIES, EYES, PAINTER, LLM = "dream/", "clip/", "diffusion/", "llm/"  # put before keys of files
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
FROZEN = "frozen in every stage: the published one is loaded"


def rows(target: Target) -> list[Row]:
    """A span is <dream_start>, the queries, <dream_end>; features stand between <im_start/end>.

    Raises ValueError for a system that makes other media than images.
    """
    signals, vocabulary = target.signals, target.signals.vocabulary
    if signals.modalities != ("image",):
        raise ValueError("dreamllm makes images alone; the system's decoders must be just that")
    first, *queries, last = (i - vocabulary for i in signals.span("image"))
    marks = [i - vocabulary for m in MEDIA for ids in signals.marks(m) for i in ids]
    spoken = ["<dream_start>", "<dream_end>", *["<im_start>", "<im_end>"] * len(MEDIA)]
    learned = special(target, spoken)
    known = token_rows(range(vocabulary), vocabulary + len(target.added), target)
    return [
        Row(f"{QUERIES}dream_queries", "llm.signal_rows", squeezed, queries),
        Row(f"{LLM}{EMBEDDING}", "llm.signal_rows", learned, [first, last, *marks]),
        Row(f"{LLM}{HEAD}", "llm.trigger_rows", special(target, ["<dream_start>"])),
        Row(f"{LLM}{EMBEDDING}", f"{BASE}{EMBEDDING}", known),
        Row(f"{LLM}{HEAD}", f"{BASE}{HEAD}", known),
        Row(rf"{LLM}(model\.(?:layers|norm)\.(?!.*inv_freq).+)", rf"{BASE}\1"),
        Row(rf"{EYES}projector\.projector\.(.+)", r"input_projector.\1"),
        Row(rf"{PAINTER}projector\.projector\.(.+)", r"output_projectors.image.outward.\1"),
    ]


def special(target: Target, tokens: Sequence[str]) -> Take:
    """Takes the rows of tokens; their ids are asked for when there is a table to take them of."""

    def take(table: Tensor) -> Tensor:
        total = target.signals.vocabulary + len(target.added)
        return token_rows([target.id_of(token) for token in tokens], total, target)(table)

    return take


def made(target: Target) -> Sequence[DefaultTensor]:
    return [NO_BIAS, *zero_lora(target)]


IMPORTER = Importer(
    files=(
        File(("dream_embedding.bin",), ("llm",), QUERIES),
        File(("clip_vision_embedding.bin",), ("input_projector",), EYES),
        File(("stable_diffusion_head.bin",), ("output_projectors",), PAINTER),
        File(("pytorch_model*.bin", "model*.safetensors"), ("llm",), LLM),
    ),
    needs={
        "llm.signals.kind": "queries",
        "llm.signals.marks": (1, 1),
        "llm.signals.droppable": False,
        "llm.signals.closing": True,
        "output_projector.kind": "linear",
        "output_projector.bias": False,
        "output_projector.residual": False,
    },
    rows=rows,
    made=made,
    left_out={
        rf"{EYES}clip_vision_model\..+": FROZEN,
        rf"{PAINTER}(vae|unet)\..+": FROZEN,
        rf"{LLM}.+\.rotary_emb\.inv_freq": "computed from the LLM's config",
    },
    brings=".+",
)

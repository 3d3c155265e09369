"""DreamLLM's checkpoints (RunpeiDong/dreamllm-7b-chat-v1.0): an LLM, and a pickle per plugin.

The names are those of modeling_plugins.py and mlp_projector.py of its repository.
"""

from collections.abc import Sequence

from anygen.importers.layout import (
    BASE,
    NO_BIAS,
    File,
    Importer,
    Made,
    Row,
    Target,
    lora_that_does_nothing,
    squeezed,
    token_rows,
)
from anygen.modality import MEDIA

QUERIES, EYES, HEAD, LLM = "dream/", "clip/", "diffusion/", "llm/"  # put before the keys of files
FROZEN = "frozen in every stage: the published one is loaded"


def rows(target: Target) -> list[Row]:
    """A span is <dream_start>, the queries, <dream_end>; features stand between <im_start/end>."""
    start, *around, end = map(
        target.id_of, ("<dream_start>", "<im_start>", "<im_end>", "<dream_end>")
    )
    signals, vocabulary = target.signals, target.signals.vocabulary
    total = vocabulary + len(target.added)
    first, *queries, last = (i - vocabulary for i in signals.span("image"))
    marks = [i - vocabulary for m in MEDIA for ids in signals.marks(m) for i in ids]
    learned = token_rows([start, end, *around * len(MEDIA)], total, target)
    return [
        Row(f"{QUERIES}dream_queries", "llm.signal_rows", squeezed, queries),
        Row(f"{LLM}model.embed_tokens.weight", "llm.signal_rows", learned, [first, last, *marks]),
        Row(f"{LLM}lm_head.weight", "llm.trigger_rows", token_rows([start], total, target)),
        *(
            Row(f"{LLM}{table}", f"{BASE}{table}", token_rows(range(vocabulary), total, target))
            for table in ("model.embed_tokens.weight", "lm_head.weight")
        ),
        Row(rf"{LLM}(model\.(?:layers|norm)\.(?!.*inv_freq).+)", rf"{BASE}\1"),
        Row(rf"{EYES}projector\.projector\.(.+)", r"input_projector.\1"),
        Row(rf"{HEAD}projector\.projector\.(.+)", r"output_projectors.image.outward.\1"),
    ]


def made(target: Target) -> Sequence[Made]:
    return [NO_BIAS, *lora_that_does_nothing(target)]


IMPORTER = Importer(
    files=(
        File("dream_embedding.bin", ("llm",), QUERIES),
        File("clip_vision_embedding.bin", ("input_projector",), EYES),
        File("stable_diffusion_head.bin", ("output_projectors",), HEAD),
        File("[pm]*model*.[bs][ia][nf]*", ("llm",), LLM),
    ),
    needs={
        "llm.signals.kind": "queries",
        "llm.signals.marks": (1, 1),
        "llm.signals.closing": True,
        "output_projector.kind": "linear",
        "output_projector.bias": False,
        "output_projector.residual": False,
    },
    rows=rows,
    made=made,
    left_out={
        rf"{EYES}clip_vision_model\..+": FROZEN,
        rf"{HEAD}(vae|unet)\..+": FROZEN,
        rf"{LLM}.+\.rotary_emb\.inv_freq": "computed from the LLM's config",
    },
    brings=".+",
)

"""PandaGPT's delta weights (openllama.py of its repository): LoRA and a linear input projector.

<Img> and </Img> around features are plain text there: our marks are the LLM's own embeddings of it.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Size, Tensor
from transformers import AutoModelForCausalLM

from anygen.core.modality import MEDIA
from anygen.importers.layout import NO_BIAS, DefaultTensor, File, Importer, Row, Target
from anygen.llm.prompt import plain_ids

BEFORE, AFTER = "<Img>", "</Img>"


def rows(target: Target) -> list[Row]:
    lora = r"(model\..+\.lora_[AB]\.default\.weight)"
    return [
        Row(r"llama_proj\.(weight|bias)", r"input_projector.\1"),
        Row(rf"llama_model\.base_model\.model\.{lora}", r"llm.base.\1"),
    ]


def made(target: Target) -> Sequence[DefaultTensor]:
    """Raises ValueError where a text has another number of tokens than there are rows for it."""
    texts = [plain_ids(text, target.tokenizer) for text in (BEFORE, AFTER)]
    counts, given = [len(text) for text in texts], list(target.signals.settings.marks)
    if counts != given:
        raise ValueError(
            f"llm.signals.marks is {given}, and {BEFORE} and {AFTER} are {counts} tokens of "
            "llm.base"
        )
    ids = [i for text in texts for i in text] * len(MEDIA)
    why = f"the LLM's embeddings of {BEFORE} and {AFTER}"
    return [NO_BIAS, DefaultTensor(r"llm\.signal_rows", why, partial(mark_rows, target.base, ids))]


def mark_rows(base: Path | str, ids: Sequence[int], shape: Size) -> Tensor:
    llm = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    rows: Tensor = llm.get_input_embeddings().weight.detach()[torch.tensor(ids)]
    return rows


IMPORTER = Importer(
    files=(File(("pytorch_model.pt",)),),
    needs={
        "llm.lora.rank": 32,
        "llm.lora.alpha": 32,
        "input_projector.kind": "linear",
    },
    rows=rows,
    made=made,
)

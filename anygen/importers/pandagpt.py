"""PandaGPT's delta weights (openllama.py in its repository): LoRA and a linear input projector.

Features stand between the texts <Img> and </Img>: our marks are the LLM's embeddings of these.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Size, Tensor

from anygen.core.modality import MEDIA
from anygen.importers.layout import (
    ZERO_TRIGGER_BIAS,
    File,
    FillRule,
    Importer,
    KeyRule,
    Target,
    embedding_table,
)
from anygen.llm.tokenization import ids_of

BEFORE, AFTER = "<Img>", "</Img>"


def key_rules(target: Target) -> list[KeyRule]:
    lora = r"(model\..+\.lora_[AB]\.default\.weight)"
    return [
        KeyRule(r"llama_proj\.(weight|bias)", r"input_projector.\1"),
        KeyRule(rf"llama_model\.base_model\.model\.{lora}", r"llm.base.\1"),
    ]


def fill_rules(target: Target) -> Sequence[FillRule]:
    """Raises ValueError if the number of marks differs from the number of tokens of the texts."""
    texts = mark_ids(target.tokenizer)
    counts, marks = [len(text) for text in texts], list(target.signals.settings.marks)
    if counts != marks:
        raise ValueError(
            f"llm.signals.marks is {marks}, and {BEFORE} and {AFTER} are {counts} tokens of "
            "llm.base"
        )
    ids = [i for text in texts for i in text] * len(MEDIA)
    reason = f"the LLM's embeddings of {BEFORE} and {AFTER}"
    return [
        ZERO_TRIGGER_BIAS,
        FillRule(r"llm\.signal_rows", reason, partial(mark_rows, target.base, ids)),
    ]


def mark_ids(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What stands before the features, behind "### Human:", and after them."""
    before = ids_of(f" {BEFORE}", tokenizer, split_special_tokens=True)
    return before, ids_of(AFTER, tokenizer, begins=True, split_special_tokens=True)


def mark_rows(base: Path | str, ids: Sequence[int], shape: Size) -> Tensor:
    return embedding_table(base)[torch.tensor(ids)]


IMPORTER = Importer(
    files=(File(("pytorch_model.pt",)),),
    required={
        "llm.template": "nextgpt.jinja",
        "llm.lora.rank": 32,
        "llm.lora.alpha": 32,
        "input_projector.kind": "linear",
    },
    key_rules=key_rules,
    fill_rules=fill_rules,
)

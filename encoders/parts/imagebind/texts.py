"""The text tower's input: CLIP's byte pairs (Radford et al. 2021)."""

import html
from collections.abc import Sequence

import ftfy
import torch
from tokenizers import Tokenizer
from torch import Tensor


def text_ids(texts: Sequence[str], tokenizer: Tokenizer, length: int, vocabulary: int) -> Tensor:
    """(B, length): start, the text, cut if necessary, end, zeros.

    Start and end are the last two rows of the vocabulary, as in CLIP.
    """
    start, end = vocabulary - 2, vocabulary - 1
    encoded = tokenizer.encode_batch([clean(text) for text in texts], add_special_tokens=False)
    ids = torch.zeros(len(texts), length, dtype=torch.long)
    for row, encoding in zip(ids, encoded, strict=True):
        words = [start, *encoding.ids[: length - 2], end]
        row[: len(words)] = torch.tensor(words)
    return ids


def clean(text: str) -> str:
    """Repairs broken encodings, resolves entities, collapses whitespace and lowers the case."""
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split()).lower()

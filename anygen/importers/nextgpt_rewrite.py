"""Projector files of NExT-GPT's rewrite (nextgpt/ of its repository): what its two stages save.

A signal token is followed by a lone "▁" there, but for the last: the slow tokenizer makes one of
the space between two, so that spans have 2 n - 1 positions.
"""

from collections.abc import Sequence

from anygen.core.modality import MediaModality
from anygen.importers.layout import (
    NO_BIAS,
    DefaultTensor,
    File,
    Importer,
    Row,
    Spoken,
    Target,
    zero_lora,
)
from anygen.importers.nextgpt_projector import NEEDED, output_projector

SPACE = "▁"
# In the order in which they were added to the tokenizer: how projectors are called, and how many.
ADDED: dict[MediaModality, tuple[str, int]] = {
    "image": ("img", 4),
    "video": ("vid", 24),
    "audio": ("aud", 8),
}


def spoken(target: Target) -> Spoken:
    """Raises ValueError where llm.base has no token for a lone space."""
    space = target.tokenizer.get_vocab().get(SPACE)
    if space is None:
        raise ValueError(f"the vocabulary of llm.base has no {SPACE!r}; it is no Vicuna's")
    first, spans = target.signals.vocabulary, {}
    for modality, (_, count) in ADDED.items():
        signals = range(first, first + count)
        spans[modality] = [i for signal in signals for i in (signal, space)][:-1]
        first += count
    return Spoken(spans, ([], []), first)


def rows(target: Target) -> list[Row]:
    projectors = [
        row
        for modality, (name, _) in ADDED.items()
        for row in output_projector(
            rf"model\.mm_output_{name}_projector",
            f"output_projectors.{modality}",
            "in_fc",
            "out_fc",
        )
    ]
    return [
        Row(r"model\.mm_input_projector\.(?:layer\.)?(.+)", r"input_projector.\1"),
        *spoken(target).rows(target, r"model\.embed_tokens\.weight", r"lm_head\.weight"),
        *projectors,
    ]


def made(target: Target) -> Sequence[DefaultTensor]:
    return [NO_BIAS, *zero_lora(target)]


IMPORTER = Importer(
    files=(
        File(("mm_input_projector.bin",), ("input_projector", "llm")),
        File(("mm_output_projector.bin",), ("output_projectors", "llm")),
    ),
    needs={
        "llm.signals.kind": "tokens",
        "llm.signals.tokens": {m: 2 * count - 1 for m, (_, count) in ADDED.items()},
        "llm.signals.marks": (0, 0),
        "llm.signals.droppable": False,
        "llm.signals.closing": False,
        **NEEDED,
    },
    rows=rows,
    made=made,
    brings=r"model\.embed_tokens\.weight|lm_head\.weight",
)

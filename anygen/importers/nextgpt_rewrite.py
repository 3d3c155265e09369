"""Projector files that the two stages of NExT-GPT's rewrite save (nextgpt/ in its repository).

Its slow tokenizer turns the space between two signal tokens into a "▁" of its own, so that a span
of n signal tokens has 2 n - 1 positions.
"""

from collections.abc import Sequence

from anygen.core.modality import MediaModality
from anygen.importers.layout import (
    ZERO_TRIGGER_BIAS,
    File,
    FillRule,
    Importer,
    KeyRule,
    Target,
    TokenIds,
    zero_lora,
)
from anygen.importers.nextgpt_projector import REQUIRED, output_projector

SPACE = "▁"
# In the order of the tokenizer: the name in keys of projectors, and the number of signal tokens.
ADDED: dict[MediaModality, tuple[str, int]] = {
    "image": ("img", 4),
    "video": ("vid", 24),
    "audio": ("aud", 8),
}


def token_ids(target: Target) -> TokenIds:
    """Raises ValueError if llm.base has no token for a space."""
    space = target.tokenizer.get_vocab().get(SPACE)
    if space is None:
        raise ValueError(f"the vocabulary of llm.base has no {SPACE!r}; it is not that of a Vicuna")
    first, spans = target.signals.vocabulary, {}
    for modality, (_, count) in ADDED.items():
        signals = range(first, first + count)
        spans[modality] = [i for signal in signals for i in (signal, space)][:-1]
        first += count
    return TokenIds(spans, ([], []), first)


def key_rules(target: Target) -> list[KeyRule]:
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
        KeyRule(r"model\.mm_input_projector\.(?:layer\.)?(.+)", r"input_projector.\1"),
        *token_ids(target).key_rules(target, r"model\.embed_tokens\.weight", r"lm_head\.weight"),
        *projectors,
    ]


def fill_rules(target: Target) -> Sequence[FillRule]:
    return [ZERO_TRIGGER_BIAS, *zero_lora(target)]


IMPORTER = Importer(
    files=(
        File(("mm_input_projector.bin",), ("input_projector", "llm")),
        File(("mm_output_projector.bin",), ("output_projectors", "llm")),
    ),
    required={
        "llm.signals.kind": "tokens",
        "llm.signals.tokens": {m: 2 * count - 1 for m, (_, count) in ADDED.items()},
        "llm.signals.marks": (0, 0),
        "llm.signals.droppable": False,
        "llm.signals.closing": False,
        **REQUIRED,
    },
    key_rules=key_rules,
    fill_rules=fill_rules,
    base_weights=r"model\.embed_tokens\.weight|lm_head\.weight",
)

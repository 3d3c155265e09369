"""LLaVA's projector: mm_projector.bin of its first stage, `linear` or `mlp2x_gelu`.

Features have no marks around them (multimodal_projector/builder.py of LLaVA).
"""

from collections.abc import Sequence

from anygen.importers.layout import File, FillRule, Importer, KeyRule, Target, zero_lora


def key_rules(target: Target) -> list[KeyRule]:
    return [KeyRule(r"(?:model\.)?mm_projector\.(.+)", r"input_projector.\1")]


def fill_rules(target: Target) -> Sequence[FillRule]:
    return zero_lora(target)


IMPORTER = Importer(
    files=(File(("mm_projector.bin", "mm_projector.safetensors")),),
    required={"llm.signals.marks": (0, 0)},
    key_rules=key_rules,
    fill_rules=fill_rules,
)

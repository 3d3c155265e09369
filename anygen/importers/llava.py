"""LLaVA's projector: mm_projector.bin of its first stage, `linear` or `mlp2x_gelu`.

Features stand alone, with nothing around them (multimodal_projector/builder.py of LLaVA).
"""

from collections.abc import Sequence

from anygen.importers.layout import DefaultTensor, File, Importer, Row, Target, zero_lora


def rows(target: Target) -> list[Row]:
    return [Row(r"(?:model\.)?mm_projector\.(.+)", r"input_projector.\1")]


def made(target: Target) -> Sequence[DefaultTensor]:
    return zero_lora(target)


IMPORTER = Importer(
    files=(File(("mm_projector.bin", "mm_projector.safetensors")),),
    needs={"llm.signals.marks": (0, 0)},
    rows=rows,
    made=made,
)

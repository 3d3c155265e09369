"""LLaVA's projector: mm_projector.bin of its first stage, `linear` or `mlp2x_gelu`.

Features stand alone, with nothing around them (multimodal_projector/builder.py of LLaVA).
"""

from collections.abc import Sequence

from anygen.importers.layout import File, Importer, Made, Row, Target, lora_that_does_nothing


def rows(target: Target) -> list[Row]:
    return [Row(r"(?:model\.)?mm_projector\.(.+)", r"input_projector.\1")]


def made(target: Target) -> Sequence[Made]:
    return lora_that_does_nothing(target)


IMPORTER = Importer(
    files=(File(("mm_projector.bin", "mm_projector.safetensors")),),
    needs={"llm.signals.marks": (0, 0)},
    rows=rows,
    made=made,
)

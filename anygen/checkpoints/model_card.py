"""The model card: what the page of a model on Hugging Face begins with."""

from pathlib import Path

from huggingface_hub import ModelCardData

from anygen.config.system import System
from anygen.core.version import DISTRIBUTION
from anygen.io.atomic import replacing

CARD = "README.md"
SMOLLM = "HuggingFaceTB/SmolLM2-135M-Instruct"


def write_card(system: System, folder: Path) -> None:
    """Beside a model's weights; a card that is there already was written by somebody, and stays."""
    if (folder / CARD).exists():
        return
    with replacing(folder / CARD) as temporary:
        temporary.write_text(card(system, folder.absolute().name), encoding="utf-8")


def card(system: System, name: str) -> str:
    base = SMOLLM if system.llm.base == "smollm2-135m" else system.llm.base
    is_public = not Path(base).exists()
    data = ModelCardData(
        library_name="anygen", pipeline_tag="any-to-any", base_model=base if is_public else None
    )
    rows = {"LLM": base, "encoder": system.encoder.name}
    rows |= {f"{modality} decoder": plugin.name for modality, plugin in system.decoders.items()}
    table = "\n".join(f"| {part} | `{what}` |" for part, what in rows.items())
    return f"""---
{data.to_yaml()}
---

# {name}

An any-to-any model of anygen (`{DISTRIBUTION}`): text, images, audio and video in and out.

| part | what |
|---|---|
{table}

    anygen chat --model FOLDER

This folder holds what was trained; published weights are loaded from where the table says, under
their own licences.
"""

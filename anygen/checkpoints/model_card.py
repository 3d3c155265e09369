"""The model card: the first thing that the page of a model on Hugging Face shows."""

from pathlib import Path

from anygen.config.system import System
from anygen.core.version import DISTRIBUTION
from anygen.io.atomic import replacing

CARD = "README.md"
TEMPLATE = Path(__file__).with_name("model_card.md")
SMOLLM = "HuggingFaceTB/SmolLM2-135M-Instruct"


def write_card(system: System, folder: Path) -> None:
    """Writes a card beside a model's weights, unless there is one, which may be written by hand."""
    if (folder / CARD).exists():
        return
    with replacing(folder / CARD) as temporary:
        temporary.write_text(card(system, folder.absolute().name) + "\n", encoding="utf-8")


def card(system: System, name: str) -> str:
    """The card as Markdown with a YAML header."""
    from huggingface_hub import ModelCard, ModelCardData  # answers do without it

    base = SMOLLM if system.llm.base == "smollm2-135m" else system.llm.base
    is_public = not Path(base).exists()
    data = ModelCardData(
        library_name="anygen", pipeline_tag="any-to-any", base_model=base if is_public else None
    )
    parts = {"LLM": base, "encoder": system.encoder.name}
    parts |= {f"{modality} decoder": plugin.name for modality, plugin in system.decoders.items()}
    return ModelCard.from_template(
        data, template_path=str(TEMPLATE), name=name, distribution=DISTRIBUTION, parts=parts
    ).content

"""Two kinds of YAML file: a system (what is built) and a run (one training of a system).

A file is whole: no includes, no interpolation. Command-line `key=value` comes after it.
"""

from typing import Any, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    field_validator,
)

from anygen.config.plugins import Plugin
from anygen.config.projectors import (
    InputMlp,
    InputProjector,
    OutputProjector,
    OutputTransformer,
)
from anygen.core.modality import MEDIA, TABLE, MediaModality
from anygen.core.schema import Strict

MARKS = {"none": (0, 0), "before": (1, 0), "around": (1, 1)}


class Lora(Strict):
    rank: PositiveInt = 16
    alpha: PositiveInt = 32
    targets: list[str] = [
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    ]


class Signals(Strict):
    """What the LLM says for a medium, and what of it conditions the decoder.

    `tokens`: learned token rows, the first of which triggers; all condition (NExT-GPT).
    `queries`: a trigger, then learned input vectors, which alone condition (DreamLLM).
    """

    kind: Literal["tokens", "queries"] = "tokens"
    # How many hidden states condition a decoder; a modality left out has the TABLE's count.
    tokens: dict[MediaModality, PositiveInt] = Field(default={}, validate_default=True)
    droppable: bool = False  # whether all that follows a span is blind to it
    # Learned rows before and after the features of a medium: two numbers, or a name in MARKS.
    marks: tuple[NonNegativeInt, NonNegativeInt] = MARKS["before"]
    closing: bool = False  # whether one more learned row ends a span (DreamLLM's <dream_end>)

    @field_validator("marks", mode="before")
    @classmethod
    def _marks_have_names(cls, given: Any) -> Any:
        return MARKS.get(given, given) if isinstance(given, str) else given

    @field_validator("tokens")
    @classmethod
    def _every_modality_has_a_count(
        cls, given: dict[MediaModality, int]
    ) -> dict[MediaModality, int]:
        return {modality: given.get(modality, TABLE[modality].signal_tokens) for modality in MEDIA}


MediaLayers = Literal["none", "adapter", "visual_expert"]


class LanguageModel(Strict):
    """`base` is a name in anygen/io/assets.py, a Hugging Face id or a folder."""

    base: str = "smollm2-135m"
    lora: Lora = Lora()
    signals: Signals = Signals()
    context: PositiveInt | None = None  # positions that are read at most; None: all that it can
    template: str | None = None  # a file in configs/templates; None: the tokenizer's own
    stop: list[str | NonNegativeInt] = []  # texts and tokens that end an answer, beside its own
    media_layers: MediaLayers = "none"  # inside the LLM, for media alone
    system_prompt: str = ""


class System(Strict):
    """Everything that `build_model` needs."""

    llm: LanguageModel = LanguageModel()
    encoder: Plugin
    input_projector: InputProjector = InputMlp()
    output_projector: OutputProjector = OutputTransformer()
    decoders: dict[MediaModality, Plugin]

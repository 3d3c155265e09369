"""A system as its YAML file describes it: the LLM, the encoder, projectors and decoders.

A YAML file is complete in itself: it has no includes and no interpolation. Overrides of the form
`key=value` on the command line are applied to it.
"""

from typing import Any, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    field_validator,
    model_validator,
)

from anygen.config.plugins import Plugin
from anygen.config.projectors import (
    InputMlp,
    InputProjector,
    OutputProjector,
    OutputTransformer,
)
from anygen.config.sampling import SamplingOptions
from anygen.core.modality import MEDIA, TABLE, MediaModality
from anygen.core.schema import Strict

MARKS = {"none": (0, 0), "before": (1, 0), "around": (1, 1)}


class Lora(Strict):
    rank: PositiveInt = 16
    alpha: PositiveInt = 32
    dora: bool = False  # the lengths of rows of weights learn apart from their directions
    targets: list[str] = [
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    ]


class SignalSettings(Strict):
    """The tokens that the LLM emits for a medium, and which of them condition the decoder.

    `tokens`: learned token rows, the first of which is the trigger; all of them condition the
    decoder (NExT-GPT). `queries`: a trigger followed by learned input vectors, and only these
    condition the decoder (DreamLLM).
    """

    kind: Literal["tokens", "queries"] = "tokens"
    # Hidden states that condition each decoder; TABLE gives the number of modalities left out.
    tokens: dict[MediaModality, PositiveInt] = Field(default={}, validate_default=True)
    droppable: bool = False  # whether later positions cannot attend to a span
    # Learned rows before and after the features of a medium: two numbers, or a name in MARKS.
    marks: tuple[NonNegativeInt, NonNegativeInt] = MARKS["before"]
    closing: bool = False  # whether a span ends with one more learned row (DreamLLM's <dream_end>)
    # What guidance leads away from: the negative prompt, usually empty, as the decoder encodes it,
    # or what the LLM makes of a span behind it (DreamLLM).
    guidance: Literal["decoder", "span"] = "decoder"

    @field_validator("marks", mode="before")
    @classmethod
    def _resolve_name(cls, value: Any) -> Any:
        return MARKS.get(value, value) if isinstance(value, str) else value

    @field_validator("tokens")
    @classmethod
    def _fill_in_defaults(cls, counts: dict[MediaModality, int]) -> dict[MediaModality, int]:
        return {modality: counts.get(modality, TABLE[modality].signal_tokens) for modality in MEDIA}


MediaLayerKind = Literal["none", "adapter", "visual_expert"]


class LanguageModelSettings(Strict):
    """`base` is smollm2-135m (anygen/io/assets.py), a Hugging Face id or a folder."""

    base: str = "smollm2-135m"
    lora: Lora = Lora()
    # Where LoRA acts: always, or only where a router gives the answer to the media expert. All
    # other answers are the untouched base LLM's.
    adapter: Literal["always", "activated"] = "always"
    signals: SignalSettings = SignalSettings()
    context: PositiveInt | None = None  # positions at most; None: as many as the LLM supports
    template: str | None = None  # a file in configs/templates; None: that of the tokenizer
    stop: list[str | NonNegativeInt] = []  # more texts and token ids that end an answer
    media_layers: MediaLayerKind = "none"  # layers inside the LLM that only media use
    system_prompt: str = ""  # with a router, the media expert alone reads it
    # What answers do not set themselves; None: as the LLM's generation_config.json says.
    sampling: SamplingOptions = SamplingOptions()

    @model_validator(mode="after")
    def _check_dora(self) -> "LanguageModelSettings":
        if self.lora.dora and self.adapter == "activated":
            raise ValueError(
                "lora.dora: scales the base LLM's own outputs, which adapter: activated computes "
                "without it; write adapter: always, or leave dora out"
            )
        return self


class System(Strict):
    """Everything that a model is built from."""

    llm: LanguageModelSettings = LanguageModelSettings()
    encoder: Plugin
    input_projector: InputProjector = InputMlp()
    output_projector: OutputProjector = OutputTransformer()
    decoders: dict[MediaModality, Plugin]

"""The settings of projectors: a kind, and the options that this kind has and no other."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, NonNegativeInt, PositiveInt, Tag, model_validator

from anygen.core.schema import KIND, Strict

VideoPooling = Literal["none", "mean", "weighted", "transformer"]


class Input(Strict):
    """Of every input projector."""

    # How what an encoder tells of each frame becomes one; see anygen/projectors/video_pooling.py
    video_pooling: VideoPooling = "none"


class InputLinear(Input):
    """One matrix (LLaVA, PandaGPT, the first NExT-GPT)."""

    kind: Literal["linear"] = "linear"


class InputMlp(Input):
    """A norm and two matrices."""

    kind: Literal["mlp"] = "mlp"
    hidden: PositiveInt = 1024
    norm: bool = True  # LLaVA 1.5, DreamLLM and NExT-GPT's rewrite have none


class InputConcat(Input):
    """Neighbours side by side through one matrix (MiniGPT-v2)."""

    kind: Literal["concat"] = "concat"
    neighbours: PositiveInt = 4  # features that become one position


class Attentive(Input):
    """What learned vectors gather from the features: so many positions, whatever the medium."""

    tokens: PositiveInt
    width: PositiveInt
    heads: PositiveInt

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "Attentive":
        return sharing(self)


class InputGroup(Attentive):
    """Features are sorted into groups, twice (NExT-GPT)."""

    kind: Literal["group"] = "group"
    tokens: PositiveInt = 8
    width: PositiveInt = 512
    heads: PositiveInt = 8
    groups: PositiveInt = 64  # of the first sorting
    layers: tuple[PositiveInt, PositiveInt, PositiveInt] = (6, 3, 3)  # before, between and after


class InputQFormer(Attentive):
    """A BERT whose queries look at the features (BLIP-2), and at what is asked (InstructBLIP)."""

    kind: Literal["qformer"] = "qformer"
    tokens: PositiveInt = 32
    width: PositiveInt = 768
    heads: PositiveInt = 12
    layers: PositiveInt = 12
    look_every: PositiveInt = 2  # the first of so many layers looks at the features
    question: NonNegativeInt = 0  # tokens that are heard of what the user says beside the medium


class InputPerceiver(Attentive):
    """Latents that look at the features and at each other (Flamingo, mPLUG-Owl, Lynx)."""

    kind: Literal["perceiver"] = "perceiver"
    tokens: PositiveInt = 64
    width: PositiveInt = 1024
    heads: PositiveInt = 16
    layers: PositiveInt = 6


class Output(Strict):
    """Of every output projector."""

    residual: bool = False  # the LLM's input at a span is added to its hidden states (NExT-GPT)


class OutputTransformer(Output):
    """Learned queries, one per token of the condition (NExT-GPT, section 3.3)."""

    kind: Literal["transformer"] = "transformer"
    width: PositiveInt = 256
    layers: PositiveInt = 2
    heads: PositiveInt = 4
    encoder_layers: NonNegativeInt = 0  # that the span goes through before it is looked at

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "OutputTransformer":
        return sharing(self)


class OutputQFormer(Output):
    """A BERT whose queries look at the span, one per token of the condition."""

    kind: Literal["qformer"] = "qformer"
    width: PositiveInt = 768
    layers: PositiveInt = 2
    heads: PositiveInt = 12

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "OutputQFormer":
        return sharing(self)


class OutputLinear(Output):
    """One matrix: a token of the condition for each hidden state of the span (DreamLLM)."""

    kind: Literal["linear"] = "linear"
    bias: bool = True


class OutputMlp(Output):
    """Two matrices: a token of the condition for each hidden state of the span."""

    kind: Literal["mlp"] = "mlp"
    hidden: PositiveInt = 1024


def sharing(settings: Any) -> Any:
    """The settings. ValueError where a width cannot be divided among heads."""
    if settings.width % settings.heads:
        raise ValueError(f"width {settings.width} cannot be shared by {settings.heads} heads")
    return settings


def by_kind(usual: str, *kinds: str) -> Discriminator:
    """Settings are of the kind that they name, or of the `usual` one."""

    def kind_of(given: Any) -> str | None:
        if isinstance(given, Strict):  # was read already
            given = given.model_dump()
        return f"{KIND}{given.get('kind', usual)}" if isinstance(given, dict) else None

    known = ", ".join(kinds)
    return Discriminator(
        kind_of,
        custom_error_type="kind",
        custom_error_message=f"Input should be settings of a kind; there are {known}",
    )


InputProjector = Annotated[
    Annotated[InputLinear, Tag(f"{KIND}linear")]
    | Annotated[InputMlp, Tag(f"{KIND}mlp")]
    | Annotated[InputConcat, Tag(f"{KIND}concat")]
    | Annotated[InputGroup, Tag(f"{KIND}group")]
    | Annotated[InputQFormer, Tag(f"{KIND}qformer")]
    | Annotated[InputPerceiver, Tag(f"{KIND}perceiver")],
    by_kind("mlp", "linear", "mlp", "concat", "group", "qformer", "perceiver"),
]

OutputProjector = Annotated[
    Annotated[OutputTransformer, Tag(f"{KIND}transformer")]
    | Annotated[OutputQFormer, Tag(f"{KIND}qformer")]
    | Annotated[OutputLinear, Tag(f"{KIND}linear")]
    | Annotated[OutputMlp, Tag(f"{KIND}mlp")],
    by_kind("transformer", "transformer", "qformer", "linear", "mlp"),
]

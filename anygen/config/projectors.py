"""The settings of projectors: a kind, and the options of that kind."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, NonNegativeInt, PositiveInt, Tag, model_validator

from anygen.core.schema import KIND, Strict

VideoPooling = Literal["none", "mean", "weighted", "transformer"]


class Input(Strict):
    """Settings of every input projector."""

    # How the features of frames become those of a video; see anygen/projectors/video_pooling.py
    video_pooling: VideoPooling = "none"


class InputLinear(Input):
    """One linear layer (LLaVA, PandaGPT, the first NExT-GPT)."""

    kind: Literal["linear"] = "linear"


class InputMlp(Input):
    """A norm and two linear layers."""

    kind: Literal["mlp"] = "mlp"
    hidden: PositiveInt = 1024
    norm: bool = True  # False for LLaVA 1.5, DreamLLM and NExT-GPT's rewrite


class InputConcat(Input):
    """Neighbouring features, concatenated, through one linear layer (MiniGPT-v2)."""

    kind: Literal["concat"] = "concat"
    neighbours: PositiveInt = 4  # features that become one position


class InputResampler(Input):
    """Learned queries attend to the features: `tokens` positions for every medium."""

    tokens: PositiveInt
    width: PositiveInt
    heads: PositiveInt

    @model_validator(mode="after")
    def _check_heads(self) -> "InputResampler":
        check_heads(self.width, self.heads)
        return self


class InputGroup(InputResampler):
    """Features are assigned to groups, twice (NExT-GPT)."""

    kind: Literal["group"] = "group"
    tokens: PositiveInt = 8
    width: PositiveInt = 512
    heads: PositiveInt = 8
    groups: PositiveInt = 64  # of the first assignment; the second has `tokens`
    layers: tuple[PositiveInt, PositiveInt, PositiveInt] = (6, 3, 3)  # before, between and after


class InputQFormer(InputResampler):
    """A BERT whose queries attend to the features (BLIP-2) and the question (InstructBLIP)."""

    kind: Literal["qformer"] = "qformer"
    tokens: PositiveInt = 32
    width: PositiveInt = 768
    heads: PositiveInt = 12
    layers: PositiveInt = 12
    look_every: PositiveInt = 2  # the first of so many layers attends to the features
    question: NonNegativeInt = 0  # tokens of the text beside the medium at most; 0: none


class InputPerceiver(InputResampler):
    """Latents that attend to the features and to each other (Flamingo, mPLUG-Owl, Lynx)."""

    kind: Literal["perceiver"] = "perceiver"
    tokens: PositiveInt = 64
    width: PositiveInt = 1024
    heads: PositiveInt = 16
    layers: PositiveInt = 6


class Output(Strict):
    """Settings of every output projector."""

    residual: bool = False  # add the LLM's input embeddings to its hidden states (NExT-GPT)


class OutputTransformer(Output):
    """Learned queries, one per token of the condition (NExT-GPT, section 3.3)."""

    kind: Literal["transformer"] = "transformer"
    width: PositiveInt = 256
    layers: PositiveInt = 2
    heads: PositiveInt = 4
    encoder_layers: NonNegativeInt = 0  # for the span, before the queries attend to it

    @model_validator(mode="after")
    def _check_heads(self) -> "OutputTransformer":
        check_heads(self.width, self.heads)
        return self


class OutputQFormer(Output):
    """A BERT whose queries attend to the span, one per token of the condition."""

    kind: Literal["qformer"] = "qformer"
    width: PositiveInt = 768
    layers: PositiveInt = 2
    heads: PositiveInt = 12

    @model_validator(mode="after")
    def _check_heads(self) -> "OutputQFormer":
        check_heads(self.width, self.heads)
        return self


class OutputLinear(Output):
    """One linear layer: each hidden state of the span becomes a token (DreamLLM)."""

    kind: Literal["linear"] = "linear"
    bias: bool = True


class OutputMlp(Output):
    """Two linear layers: each hidden state of the span becomes a token."""

    kind: Literal["mlp"] = "mlp"
    hidden: PositiveInt = 1024


def check_heads(width: int, heads: int) -> None:
    """Raises ValueError if the width is no multiple of the number of heads."""
    if width % heads:
        raise ValueError(f"width {width} cannot be divided among {heads} heads")


def by_kind(default: str, *kinds: str) -> Discriminator:
    """Selects settings by their `kind`, or the default kind if they name none."""

    def kind_of(value: Any) -> str | None:
        if isinstance(value, Strict):  # validated before
            value = value.model_dump()
        return f"{KIND}{value.get('kind', default)}" if isinstance(value, dict) else None

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

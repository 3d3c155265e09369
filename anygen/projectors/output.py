"""Out of the LLM: hidden states of a span -> the decoder's condition, sized by its spec.

B spans, S positions of one, D width of the LLM, T tokens of the condition.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anygen.config.projectors import (
    OutputLinear,
    OutputMlp,
    OutputProjector,
    OutputQFormer,
    OutputTransformer,
)
from anygen.projectors.qformer import q_former
from decoders.base import ConditionSpec


def build_output_projector(
    settings: OutputProjector, span: int, width: int, spec: ConditionSpec
) -> "ConditionProjector":
    """A module (B, S, D) -> conditions of `spec`'s shape. `span` is S, `width` is D.

    Raises ValueError if the kind makes one token per hidden state and S is not T.
    """
    if settings.kind in ("linear", "mlp") and span != spec.tokens:
        raise ValueError(
            f"output_projector: {settings.kind} makes one token of each hidden state, but "
            f"spans have {span} and the decoder takes {spec.tokens} tokens; set llm.signals.tokens "
            "of the modality to the same number, or use the kind transformer"
        )
    return KINDS[settings.kind](settings, width, spec)


class ConditionProjector(nn.Module):
    """Base class of all kinds: `tokens` makes the tokens of the condition.

    The pooled vector of a decoder that has one is a linear map of the mean of the span's hidden
    states (DreamLLM with SDXL).
    """

    def __init__(self, width: int, spec: ConditionSpec) -> None:
        super().__init__()
        self.spec = spec
        self.pooled = nn.Linear(width, spec.pooled) if spec.pooled else None

    def tokens(self, hidden_BSD: Tensor) -> Tensor:
        """(B, S, D) -> (B, T, width)."""
        raise NotImplementedError

    def forward(self, hidden_BSD: Tensor) -> Tensor:
        """(B, S, D) -> conditions in the layout of the decoder's spec."""
        tokens = self.tokens(hidden_BSD)
        tokens = F.normalize(tokens, dim=-1) if self.spec.norm == "l2" else tokens
        pooled = None if self.pooled is None else self.pooled(hidden_BSD.mean(1))
        return self.spec.join(tokens, pooled)


class Transformer(ConditionProjector):
    """One learned query per token (NExT-GPT, section 3.3).

    With `encoder_layers` it is NExT-GPT's `nn.Transformer`, whose decoder is `transformer` and
    whose last norm is `norm`.
    """

    def __init__(self, settings: OutputTransformer, width: int, spec: ConditionSpec) -> None:
        super().__init__(width, spec)
        inside = settings.width
        shape = (inside, settings.heads, 4 * inside)
        options: Any = {"dropout": 0.0, "batch_first": True, "norm_first": True}
        self.inward = nn.Linear(width, inside)
        self.queries = nn.Parameter(torch.randn(spec.tokens, inside) * 0.02)
        layer = nn.TransformerDecoderLayer(*shape, **options)
        self.transformer = nn.TransformerDecoder(layer, settings.layers)
        self.norm = nn.LayerNorm(inside)
        self.outward = nn.Linear(inside, spec.width)
        self.encoder: nn.Module = nn.Identity()
        if settings.encoder_layers:
            self.encoder = nn.TransformerEncoder(
                nn.TransformerEncoderLayer(*shape, **options),
                settings.encoder_layers,
                nn.LayerNorm(inside),
                enable_nested_tensor=False,
            )

    def tokens(self, hidden_BSD: Tensor) -> Tensor:
        queries = self.queries.expand(len(hidden_BSD), -1, -1)
        mixed = self.transformer(queries, self.encoder(self.inward(hidden_BSD)))
        return self.outward(self.norm(mixed))


class QFormer(ConditionProjector):
    def __init__(self, settings: OutputQFormer, width: int, spec: ConditionSpec) -> None:
        super().__init__(width, spec)
        self.queries = nn.Parameter(torch.randn(spec.tokens, settings.width) * 0.02)
        self.qformer = q_former(settings.width, settings.layers, settings.heads, width)
        self.outward = nn.Linear(settings.width, spec.width)

    def tokens(self, hidden_BSD: Tensor) -> Tensor:
        queries = self.queries.expand(len(hidden_BSD), -1, -1)
        outputs = self.qformer(queries, encoder_hidden_states=hidden_BSD)
        return self.outward(outputs.last_hidden_state)


class Linear(ConditionProjector):
    def __init__(self, settings: OutputLinear, width: int, spec: ConditionSpec) -> None:
        super().__init__(width, spec)
        self.outward = nn.Linear(width, spec.width, bias=settings.bias)

    def tokens(self, hidden_BSD: Tensor) -> Tensor:
        return self.outward(hidden_BSD)


class Mlp(ConditionProjector):
    def __init__(self, settings: OutputMlp, width: int, spec: ConditionSpec) -> None:
        super().__init__(width, spec)
        self.inward = nn.Linear(width, settings.hidden)
        self.outward = nn.Linear(settings.hidden, spec.width)

    def tokens(self, hidden_BSD: Tensor) -> Tensor:
        return self.outward(F.gelu(self.inward(hidden_BSD)))


KINDS: dict[str, Callable[..., ConditionProjector]] = {
    "transformer": Transformer,
    "qformer": QFormer,
    "linear": Linear,
    "mlp": Mlp,
}

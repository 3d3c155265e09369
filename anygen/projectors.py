"""Into the LLM and out of it: features -> embeddings, hidden states of a span -> condition.

B rows, K features per medium, W width of the encoder, S signal tokens, D width of the LLM.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anygen.config import InputProjector as InputSettings
from anygen.config import OutputProjector as OutputSettings
from decoders.base import ConditionSpec


def build_input_projector(settings: InputSettings, features: int, width: int) -> nn.Module:
    """Features (K, W) -> embeddings (K, D)."""
    if settings.kind == "linear":
        return nn.Linear(features, width)
    return nn.Sequential(
        nn.LayerNorm(features),
        nn.Linear(features, settings.hidden),
        nn.GELU(),
        nn.Linear(settings.hidden, width),
    )


class OutputProjector(nn.Module):
    """A transformer with one learned query per condition token (NExT-GPT, section 3.3)."""

    def __init__(self, settings: OutputSettings, width: int, spec: ConditionSpec) -> None:
        super().__init__()
        self.spec = spec
        self.inward = nn.Linear(width, settings.width)
        self.queries = nn.Parameter(torch.randn(spec.tokens, settings.width) * 0.02)
        layer = nn.TransformerDecoderLayer(
            settings.width,
            settings.heads,
            4 * settings.width,
            dropout=0.0,
            batch_first=True,
            norm_first=True,
        )
        self.transformer = nn.TransformerDecoder(layer, settings.layers)
        self.norm = nn.LayerNorm(settings.width)
        self.outward = nn.Linear(settings.width, spec.width)

    def forward(self, hidden_BSD: Tensor) -> Tensor:
        """(B, S, D) -> (B, tokens, width) of the decoder's condition."""
        queries = self.queries.expand(hidden_BSD.shape[0], -1, -1)
        mixed = self.transformer(queries, self.inward(hidden_BSD))
        condition = self.outward(self.norm(mixed))
        return F.normalize(condition, dim=-1) if self.spec.norm == "l2" else condition

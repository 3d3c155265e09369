"""A small transformer whose learned queries gather information from tokens."""

# B items, T tokens, Q queries, D width, H heads

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Tower(nn.Module):
    """(B, T, D) -> (B, Q, D): queries and tokens attend to each other; queries are the output."""

    def __init__(self, width: int, layers: int, heads: int, queries: int) -> None:
        super().__init__()
        self.width = width
        self.queries = nn.Parameter(torch.randn(queries, width) * 0.5)
        self.layers = nn.Sequential(*(Layer(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, valid: Tensor | None = None) -> Tensor:
        """`valid` (B, T) bool: tokens that are not padding; None means all."""
        batch, count = len(tokens), len(self.queries)
        x = torch.cat([self.queries.expand(batch, -1, -1), tokens], 1)
        bias = None
        if valid is not None:
            keys = functional.pad(valid, (count, 0), value=True)
            bias = torch.zeros_like(keys, dtype=x.dtype).masked_fill(~keys, -math.inf)
            bias = bias[:, None, None]  # (B, 1, 1, Q + T)
        for layer in self.layers:
            x = layer(x, bias)
        return self.norm(x[:, :count])


class Layer(nn.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width)
        )

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        x = x + self.attend(self.norm_attention(x), bias)
        return x + self.feed(self.norm_feed(x))

    def attend(self, x: Tensor, bias: Tensor | None) -> Tensor:
        # Plain products: the backward pass of the CPU's fused kernel is several times slower.
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])  # (B, H, T, T)
        if bias is not None:
            scores = scores + bias
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


def sinusoids(positions: int, width: int, device: torch.device) -> Tensor:
    """(positions, D), Vaswani et al. 2017, section 3.5. They extend to any length untrained."""
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000) / width))
    angles = torch.arange(positions, device=device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1)

"""A Llama (Touvron et al. 2023) that reads for several contexts, with little work between layers.

The modules of transformers cost as much time per token, in Python, as a small LLM takes to compute.
These read the same weights, with the products of a layer's queries, keys and values made at once,
and those of its gate.

A row of a pass is the same bits beside any others as long as its linear layers are Fp16Linear: the
norm sums over each row by itself, sums, products and roots are rounded correctly wherever they are
computed, and the exponentials and cosines, which are not, come from `silu` and `Rotations`.

T rows of a pass, D width, H query heads, G key heads, d width of a head.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anygen.llm.attention import Attention, AttentionParams
from anygen.numerics.batch_invariant import silu
from anygen.numerics.fp16_linear import Fp16Linear, Pack

BLOCK = 128  # positions


class Llama:
    """Of a `LlamaForCausalLM` whose linear layers are plain."""

    def __init__(self, base: Any, pack: Pack) -> None:
        """The base model gives its weights away: its linear layers are of no use afterwards."""
        self.rotations = Rotations(base.model.rotary_emb)
        self.layers = [Layer(index, layer, pack) for index, layer in enumerate(base.model.layers)]
        linear = [each for layer in self.layers for each in layer.linear]
        # whether a row is the same in passes of any length
        self.is_row_wise = all(isinstance(each, Fp16Linear) for each in linear)
        self.norm = base.model.norm.weight
        self.epsilon = base.config.rms_norm_eps

    def __call__(self, embeds: Tensor, attention: Attention) -> Tensor:
        """Embeddings (T, D) -> hidden states after the final norm, (T, D)."""
        cosines, sines = self.rotations(attention, embeds)
        hidden = embeds
        for layer in self.layers:
            hidden = layer(hidden, cosines, sines, attention)
        return F.rms_norm(hidden, self.norm.shape, self.norm, self.epsilon)


class Rotations:
    """Cosines and sines of positions, computed for a whole block of them at a time.

    So a position's are always the same: of a few positions, some would be computed by other code.
    """

    def __init__(self, rotary: Any) -> None:
        self.rotary = rotary
        self.table: tuple[Tensor, Tensor] | None = None  # (positions, 1, d) each

    def __call__(self, attention: Attention, like: Tensor) -> tuple[Tensor, Tensor]:
        """Of the rows of a pass, (T, 1, d) each."""
        end = max(chunk.end for chunk in attention.reading.chunks)
        known = self.table if self.table and self.table[0].device == like.device else None
        while known is None or len(known[0]) < end:
            start = 0 if known is None else len(known[0])
            positions = torch.arange(start, start + BLOCK, device=like.device)
            new = [x[0, :, None] for x in self.rotary(like[None], positions[None])]
            both = new if known is None else [torch.cat(pair) for pair in zip(known, new)]
            known = both[0], both[1]
        self.table = known
        return known[0][attention.positions], known[1][attention.positions]


class Layer:
    def __init__(self, index: int, layer: Any, pack: Pack) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.width, self.params = attention.head_dim, AttentionParams(index, attention.scaling)
        self.heads = attention.q_proj.weight.shape[0] // self.width
        self.key_heads = attention.k_proj.weight.shape[0] // self.width
        self.qkv_proj = pack(joined(attention.q_proj, attention.k_proj, attention.v_proj))
        self.o_proj = pack(attention.o_proj)
        self.gate_up_proj = pack(joined(mlp.gate_proj, mlp.up_proj))
        self.down_proj = pack(mlp.down_proj)
        self.linear = (self.qkv_proj, self.o_proj, self.gate_up_proj, self.down_proj)
        self.norms = (layer.input_layernorm.weight, layer.post_attention_layernorm.weight)
        self.epsilon = layer.input_layernorm.variance_epsilon

    def __call__(
        self, hidden: Tensor, cosines: Tensor, sines: Tensor, attention: Attention
    ) -> Tensor:
        """(T, D) -> (T, D)."""
        normal = F.rms_norm(hidden, self.norms[0].shape, self.norms[0], self.epsilon)
        made = self.qkv_proj(normal).view(len(hidden), -1, self.width)  # (T, H + 2 G, d)
        turned, values = made.split([self.heads + self.key_heads, self.key_heads], dim=1)
        first, second = turned.chunk(2, dim=-1)
        turned = turned * cosines + torch.cat([-second, first], dim=-1) * sines
        queries, keys = turned.split([self.heads, self.key_heads], dim=1)
        seen = attention(self.params, queries, keys, values)  # (T, H, d)
        hidden = hidden + self.o_proj(seen.reshape(len(hidden), -1))
        normal = F.rms_norm(hidden, self.norms[1].shape, self.norms[1], self.epsilon)
        gate, up = self.gate_up_proj(normal).chunk(2, dim=-1)
        return hidden + self.down_proj(silu(gate) * up)


def joined(*layers: nn.Linear) -> nn.Linear:
    """One layer that makes what these make, side by side. They give their weights away: a large
    LLM has no room for both."""
    weight = torch.cat([layer.weight.detach() for layer in layers])
    bias = None if layers[0].bias is None else torch.cat([layer.bias.detach() for layer in layers])
    for layer in layers:
        del layer.weight
    one = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    one.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        one.bias = nn.Parameter(bias, requires_grad=False)
    return one

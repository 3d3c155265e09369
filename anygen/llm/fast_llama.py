"""A Llama (Touvron et al. 2023) that reads several conversations, with little work between layers.

The Python code in the modules of transformers takes as much time per token as a small LLM needs to
compute. The layers here use the same weights, but compute queries, keys and values in one product,
and so the two halves of the gated MLP.

If all linear layers are Fp16Linear, a row of a pass has the same bits beside any other rows: the
norm sums over each row by itself; sums, products and roots are correctly rounded by any kernel; and
exponentials and cosines, which are not, come from `silu` and `Rotations`.

T rows of a pass, D width, H query heads, G key heads, d width of a head.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anygen.llm.attention import Attention, AttentionParams
from anygen.numerics.batch_invariant import silu
from anygen.numerics.fp16_linear import Fp16Linear, Pack

BLOCK = 128  # positions


class Llama:
    """The layers of a `LlamaForCausalLM`, which must not be quantized or have LoRA beside them."""

    def __init__(self, base: Any, pack: Pack, prepare: Callable[[nn.Module], None]) -> None:
        """The base model gives its weights away: its linear layers are of no use afterwards.

        One layer after the other is prepared and taken.
        """
        self.rotations = Rotations(base.model.rotary_emb)
        self.layers = []
        for index, layer in enumerate(base.model.layers):
            prepare(layer)
            self.layers.append(Layer(index, layer, pack))
        linear = [module for layer in self.layers for module in layer.linear]
        # whether a row has the same bits in passes of any length
        self.is_row_wise = all(isinstance(module, Fp16Linear) for module in linear)
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
    """Cosines and sines of positions, computed for a whole block at a time.

    So those of a position are always the same: in a short tensor the last elements are computed by
    other code than the rest.
    """

    def __init__(self, rotary: Any) -> None:
        self.rotary = rotary
        self.table: tuple[Tensor, Tensor] | None = None  # (positions, 1, d) each

    def __call__(self, attention: Attention, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the rows of a pass, (T, 1, d) each."""
        end = max(chunk.end for chunk in attention.batch.chunks)
        table = self.table if self.table and self.table[0].device == like.device else None
        while table is None or len(table[0]) < end:
            start = 0 if table is None else len(table[0])
            positions = torch.arange(start, start + BLOCK, device=like.device)
            block = [x[0, :, None] for x in self.rotary(like[None], positions[None])]
            both = block if table is None else [torch.cat(pair) for pair in zip(table, block)]
            table = both[0], both[1]
        self.table = table
        return table[0][attention.positions], table[1][attention.positions]


class Layer:
    def __init__(self, index: int, layer: Any, pack: Pack) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.width, self.params = attention.head_dim, AttentionParams(index, attention.scaling)
        self.heads = attention.q_proj.weight.shape[0] // self.width
        self.key_heads = attention.k_proj.weight.shape[0] // self.width
        self.qkv_proj = pack(joined(attention.q_proj, attention.k_proj, attention.v_proj))
        self.o_proj = pack(joined(attention.o_proj))
        self.gate_up_proj = pack(joined(mlp.gate_proj, mlp.up_proj))
        self.down_proj = pack(joined(mlp.down_proj))
        self.linear = (self.qkv_proj, self.o_proj, self.gate_up_proj, self.down_proj)
        self.norms = (layer.input_layernorm.weight, layer.post_attention_layernorm.weight)
        self.epsilon = layer.input_layernorm.variance_epsilon

    def __call__(
        self, hidden: Tensor, cosines: Tensor, sines: Tensor, attention: Attention
    ) -> Tensor:
        """(T, D) -> (T, D)."""
        normal = F.rms_norm(hidden, self.norms[0].shape, self.norms[0], self.epsilon)
        qkv = self.qkv_proj(normal).view(len(hidden), -1, self.width)  # (T, H + 2 G, d)
        qk, values = qkv.split([self.heads + self.key_heads, self.key_heads], dim=1)
        first, second = qk.chunk(2, dim=-1)
        rotated = qk * cosines + torch.cat([-second, first], dim=-1) * sines
        queries, keys = rotated.split([self.heads, self.key_heads], dim=1)
        attended = attention(self.params, queries, keys, values)  # (T, H, d)
        hidden = hidden + self.o_proj(attended.reshape(len(hidden), -1))
        normal = F.rms_norm(hidden, self.norms[1].shape, self.norms[1], self.epsilon)
        gate, up = self.gate_up_proj(normal).chunk(2, dim=-1)
        return hidden + self.down_proj(silu(gate) * up)


def joined(*layers: nn.Linear) -> nn.Linear:
    """One layer with the outputs of all `layers`, one after the other.

    Their own weights are deleted, because a large LLM does not fit into memory twice.
    """
    weight = torch.cat([layer.weight.detach() for layer in layers])
    bias = None if layers[0].bias is None else torch.cat([layer.bias.detach() for layer in layers])
    for layer in layers:
        del layer.weight
    one = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    one.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        one.bias = nn.Parameter(bias, requires_grad=False)
    return one
